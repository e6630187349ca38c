#!/usr/bin/env bash
# Runs the bindings under AddressSanitizer and the core under ThreadSanitizer: `sanitize.sh [address|thread]`, both by default.
#
# The crypto library is C and assembly that its makers sanitize; here it is not instrumented. Each sanitizer first has
# to report a planted fault (torture/planted), or its silence would mean nothing.
set -euo pipefail

ROOT=$(dirname "$(dirname "$(realpath "$0")")")
TRIPLE=$(rustc +nightly -vV | sed -n 's/^host: //p')
PLANTED=torture/planted/Cargo.toml
# what lends buffers to Rust, holds them, and takes them back at odd moments
PYTHON_TESTS=(tests/integration/test_{buffers,ranges,tampering,trees,interrupts}.py tests/properties tests/unit/test_rust_keys.py)

main() {
    cd "$ROOT"
    case ${1:-both} in
        address) address ;;
        thread) threads ;;
        both) address && threads ;;
        *) echo "usage: sanitize.sh [address|thread]" >&2 && exit 2 ;;
    esac
}

address() {
    local out=target/sanitize/address
    sanitized address build --profile release -p strongroom-bindings --features pyo3/extension-module
    sanitized address build --manifest-path "$PLANTED"
    must_be_found "a write behind a buffer" "heap-buffer-overflow" under_address python -c "
import ctypes
planted = ctypes.CDLL('$out/$TRIPLE/debug/libplanted.so')
buffer = bytearray(4096)
planted.write_behind((ctypes.c_char * 4096).from_buffer(buffer), ctypes.c_size_t(4097))
"
    # the package as it is, around the extension that was just built
    rm -rf "$out/python"
    cp -r python "$out/python"
    cp "$out/$TRIPLE/release/"libstrongroom_rust.so "$out/python/strongroom/_rust.abi3.so"
    PYTHONPATH="$out/python" under_address python -m pytest --quiet -p no:cacheprovider "${PYTHON_TESTS[@]}"
    echo "sanitize: AddressSanitizer found nothing in the bindings"
}

threads() {
    must_be_found "two threads that write at once" "data race" sanitized thread test --manifest-path "$PLANTED"
    sanitized thread test --profile dev -p strongroom-core --lib -- pipeline:: cache:: job::
    sanitized thread test --profile dev -p strongroom-core --test messages --test trees
    echo "sanitize: ThreadSanitizer found nothing in the core"
}

sanitized() {
    local sanitizer=$1 std=() flags="-Zsanitizer=$1 -Cforce-frame-pointers=yes"
    shift
    case $sanitizer in
        # a race is only seen between instrumented accesses, and the standard library holds the locks
        thread) std=(-Zbuild-std) ;;
        # the C compiler's runtime may be older than the compiler's LLVM, and lack its helpers for large stack frames
        address) flags+=" -Cllvm-args=-asan-max-inline-poisoning-size=100000" ;;
    esac
    RUSTFLAGS="$flags" \
        cargo +nightly "$1" --quiet "${std[@]}" --target "$TRIPLE" --target-dir "target/sanitize/$sanitizer" "${@:2}"
}

under_address() {
    # the interpreter is not instrumented, so the runtime comes first; its own allocator would hide where a buffer ends;
    # and it frees little at its end, so leaks are not looked for
    LD_PRELOAD=$(cc -print-file-name=libasan.so) PYTHONMALLOC=malloc ASAN_OPTIONS=detect_leaks=0 "$@"
}

must_be_found() {
    local name=$1 words=$2 report
    shift 2
    report=$("$@" 2>&1) && { echo "sanitize: $name was NOT reported" >&2; exit 1; }
    grep -q "$words" <<<"$report" || { echo "sanitize: $name was NOT reported: $report" >&2; exit 1; }
    echo "sanitize: control found: $name"
}

main "$@"
