//! What is left of a secret after its use.
#![cfg(target_arch = "x86_64")]

use std::arch::asm;
use std::hint::black_box;

use strongroom_secmem::forget_calls;

#[test]
fn nothing_is_left_in_the_registers() {
    if !std::arch::is_x86_feature_detected!("avx2") {
        return;
    }
    let secret = black_box([0x5a_u8; 32]);
    assert_eq!(
        upper_half(&secret, false),
        secret[16..],
        "positive control: it stays there for whoever looks"
    );
    assert_eq!(upper_half(&secret, true), [0; 16]);
}

/// Loads a secret into a register, and says what then stands in the half that old code does not touch.
fn upper_half(secret: &[u8; 32], forget: bool) -> [u8; 16] {
    let mut found = [0; 16];
    // SAFETY: the caller has seen that the processor has AVX2; the secret is 32 bytes long and readable.
    unsafe {
        asm!("vmovdqu ymm9, [{0}]", in(reg) secret.as_ptr(), out("ymm9") _, options(nostack, readonly))
    };
    if forget {
        forget_calls();
    }
    // SAFETY: as above, and the result is 16 bytes long and writable.
    unsafe { asm!("vextracti128 [{0}], ymm9, 1", in(reg) found.as_mut_ptr(), options(nostack)) };
    found
}

#[test]
fn nothing_is_left_on_the_stack() {
    for forget in [false, true] {
        let address = deep();
        if forget {
            forget_calls();
        }
        let mut found = [0; 32];
        std::os::unix::fs::FileExt::read_exact_at(
            &std::fs::File::open("/proc/self/mem").unwrap(),
            &mut found,
            address,
        )
        .unwrap();
        assert_eq!(
            found == [0xa7; 32],
            !forget,
            "positive control: it stays there until something else is called"
        );
    }
}

/// Leaves a secret on the stack, deeper than what comes after goes, and says where.
#[inline(never)]
fn deep() -> u64 {
    let mut frame = [0_u8; 8 << 10];
    let secret = black_box(&mut frame[..32]);
    secret.fill(0xa7);
    secret.as_ptr() as u64
}
