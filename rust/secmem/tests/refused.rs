//! A kernel that grants nothing: what is asked of it fails, as on old ones and in some sandboxes.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

mod common;

use common::in_child;
use strongroom_secmem::{Generation, Secret, Unavailable, status};

#[test]
fn secrets_work_and_the_status_says_that_they_are_not_protected() {
    in_child(|| {
        refuse(libc::SYS_madvise);
        refuse(libc::SYS_mlock);
        let secrets: Vec<_> = (0..3).map(|_| Secret::copy_from(&[5; 3000]).unwrap()).collect();
        assert!(secrets.iter().all(|secret| secret.expose().unwrap() == [5; 3000]));
        let status = status();
        assert!(!status.dont_dump && !status.wipe_on_fork);
        assert_eq!((status.locked_bytes, status.refused_bytes), (0, status.pages * 4096));
    });
}

/// Nothing is wiped, so the child sees the bytes; by its pid it knows that they are not its own.
#[test]
fn a_child_still_refuses_what_it_inherited() {
    in_child(|| {
        refuse(libc::SYS_madvise);
        let (small, large) = (Secret::copy_from(&[7; 32]).unwrap(), Secret::copy_from(&[9; 3000]).unwrap());
        let generation = Generation::current();
        assert_eq!((generation.check(), Generation::current()), (Ok(()), generation));
        in_child(|| {
            assert_eq!(generation.check(), Err(Unavailable));
            assert_eq!((small.expose(), large.expose()), (Err(Unavailable), Err(Unavailable)));
            let own = Secret::copy_from(&[1; 32]).unwrap();
            assert_eq!(own.expose().unwrap(), [1; 32]);
            let second = Generation::current();
            assert_eq!(second.check(), Ok(()));
            in_child(|| {
                assert_eq!((second.check(), generation.check()), (Err(Unavailable), Err(Unavailable)))
            });
        });
        assert_eq!(small.expose().unwrap(), [7; 32]);
        assert_eq!(generation.check(), Ok(()));
    });
}

/// From now on this process and its children get EINVAL from a system call.
fn refuse(call: libc::c_long) {
    let instruction =
        |code: u32, jt, jf, k| libc::sock_filter { code: u16::try_from(code).unwrap(), jt, jf, k };
    let mut filter = [
        instruction(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, 0),
        instruction(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, 0, 1, u32::try_from(call).unwrap()),
        instruction(libc::BPF_RET | libc::BPF_K, 0, 0, libc::SECCOMP_RET_ERRNO | libc::EINVAL.unsigned_abs()),
        instruction(libc::BPF_RET | libc::BPF_K, 0, 0, libc::SECCOMP_RET_ALLOW),
    ];
    let program = libc::sock_fprog { len: 4, filter: filter.as_mut_ptr() };
    // SAFETY: takes numbers only.
    assert_eq!(unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) }, 0);
    // SAFETY: the program is alive and as long as it says; the kernel copies it.
    let set = unsafe { libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const program) };
    assert_eq!(set, 0, "the kernel has no seccomp filters");
}
