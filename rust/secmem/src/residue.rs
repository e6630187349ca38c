//! What is left of a secret where nobody keeps one: in vector registers, and on the stack below.

use std::hint::black_box;

/// Clears the vector registers, and the part of the stack that the calls before this one have used. Takes a fraction of a
/// microsecond: for what is not done for each message.
///
/// Copies, ciphers and hashes leave keys in registers, and the next lazily bound call of any library, a signal or a core
/// dump writes them all to memory.
#[inline(never)]
pub fn forget_calls() {
    black_box(&mut [0_u64; BELOW / 8]);
    #[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
    clear();
}

#[cfg(target_arch = "x86_64")]
fn clear() {
    use std::arch::asm;

    if std::arch::is_x86_feature_detected!("avx512f") {
        // SAFETY: the processor has these instructions, and the compiler is told that none of the registers is kept.
        unsafe {
            asm!(
                "vzeroall",
                "vpxorq zmm16, zmm16, zmm16",
                "vpxorq zmm17, zmm17, zmm17",
                "vpxorq zmm18, zmm18, zmm18",
                "vpxorq zmm19, zmm19, zmm19",
                "vpxorq zmm20, zmm20, zmm20",
                "vpxorq zmm21, zmm21, zmm21",
                "vpxorq zmm22, zmm22, zmm22",
                "vpxorq zmm23, zmm23, zmm23",
                "vpxorq zmm24, zmm24, zmm24",
                "vpxorq zmm25, zmm25, zmm25",
                "vpxorq zmm26, zmm26, zmm26",
                "vpxorq zmm27, zmm27, zmm27",
                "vpxorq zmm28, zmm28, zmm28",
                "vpxorq zmm29, zmm29, zmm29",
                "vpxorq zmm30, zmm30, zmm30",
                "vpxorq zmm31, zmm31, zmm31",
                clobber_abi("sysv64"),
                options(nostack, nomem, preserves_flags)
            );
        };
    } else if std::arch::is_x86_feature_detected!("avx") {
        // SAFETY: as above.
        unsafe { asm!("vzeroall", clobber_abi("sysv64"), options(nostack, nomem, preserves_flags)) };
    }
}

#[cfg(target_arch = "aarch64")]
fn clear() {
    use std::arch::asm;

    // SAFETY: every such processor has these registers; the callee-saved halves of v8 to v15 are left alone.
    unsafe {
        asm!(
            "movi v0.2d, #0",
            "movi v1.2d, #0",
            "movi v2.2d, #0",
            "movi v3.2d, #0",
            "movi v4.2d, #0",
            "movi v5.2d, #0",
            "movi v6.2d, #0",
            "movi v7.2d, #0",
            "movi v16.2d, #0",
            "movi v17.2d, #0",
            "movi v18.2d, #0",
            "movi v19.2d, #0",
            "movi v20.2d, #0",
            "movi v21.2d, #0",
            "movi v22.2d, #0",
            "movi v23.2d, #0",
            "movi v24.2d, #0",
            "movi v25.2d, #0",
            "movi v26.2d, #0",
            "movi v27.2d, #0",
            "movi v28.2d, #0",
            "movi v29.2d, #0",
            "movi v30.2d, #0",
            "movi v31.2d, #0",
            clobber_abi("C"),
            options(nostack, nomem, preserves_flags)
        );
    };
}

/// Deeper than any call of the crypto library goes.
const BELOW: usize = 16 << 10;
