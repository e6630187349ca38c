#!/usr/bin/env bash
# Checks what the build needs, with `tests` what the tests need, with `fips` what its module needs, with `bench` what benchmarks need, with `fuzz`,
# `mutants` and `sanitize` what those need; installs from Debian only what is missing.
set -euo pipefail

main() {
    case ${1:-build} in
        build) build ;;
        tests) tests ;;
        bench) bench ;;
        counts) counts ;;
        fips) fips ;;
        fuzz) fuzz ;;
        mutants) mutants ;;
        sanitize) sanitize ;;
        *) fail "usage: needs.sh [build|tests|counts|fips|bench|fuzz|mutants|sanitize]" ;;
    esac
}

build() {
    local missing=()
    command -v cc >/dev/null || missing+=(build-essential)
    command -v python3 >/dev/null || missing+=(python3)
    python3 -c 'import ensurepip' 2>/dev/null || missing+=(python3-venv)
    if ((${#missing[@]})); then
        install "${missing[@]}"
    fi
    python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' || fail "Python 3.11 or newer is needed"
    command -v cargo >/dev/null || fail "Rust is needed: install it with rustup, then run make again"
}

tests() {
    # strace kills a process at a chosen system call
    command -v strace >/dev/null || install strace || echo "needs: no strace here: the tests that use it are skipped"
    # disks whose power fails are cloned on XFS
    command -v mkfs.xfs >/dev/null || install xfsprogs || echo "needs: no xfsprogs here: the tests that use it are skipped"
    # a PostgreSQL server of our own holds keystores
    compgen -G '/usr/lib/postgresql/*/bin/postgres' >/dev/null || command -v postgres >/dev/null || install postgresql
    # a log is verified by packages of Go's
    command -v go >/dev/null || install golang-go || echo "needs: no go here: the tests that use it are skipped"
    # a browser shows the evidence report and prints it, and the sheets are read back
    command -v chromium >/dev/null && command -v pdftotext >/dev/null || install --no-install-recommends chromium poppler-utils
    # entries are forwarded to a syslog daemon, and by TLS to a receiver with a certificate of its own
    command -v rsyslogd >/dev/null && command -v openssl >/dev/null || install --no-install-recommends rsyslog openssl
    # gdb dumps the cores that are searched for keys
    command -v gcore >/dev/null || install gdb || echo "needs: no gdb here: the test that uses it is skipped"
    # three PKCS#11 modules with tokens of their own
    command -v softhsm2-util >/dev/null && command -v pkcs11-tool >/dev/null || install softhsm2 opensc
    command -v pkcsslotd >/dev/null || install opencryptoki
    command -v certutil >/dev/null || install libnss3 libnss3-tools
}

counts() {
    # callgrind counts the instructions of a program
    command -v valgrind >/dev/null || install valgrind || fail "valgrind is needed to count instructions"
}

fips() {
    # AWS-LC's FIPS module builds itself with these
    local missing=()
    command -v cmake >/dev/null || missing+=(cmake)
    command -v go >/dev/null || missing+=(golang-go)
    command -v perl >/dev/null || missing+=(perl)
    if ((${#missing[@]})); then
        install "${missing[@]}"
    fi
}

fuzz() {
    nightly
    # half a minute of a core, once
    cargo fuzz --version >/dev/null 2>&1 || cargo install --quiet cargo-fuzz
}

mutants() {
    # two minutes of a core, once
    cargo mutants --version >/dev/null 2>&1 || cargo install --locked --quiet cargo-mutants
}

sanitize() {
    nightly
    # the thread sanitizer needs a standard library that was built with it
    rustup component add --toolchain nightly rust-src >/dev/null 2>&1 || fail "rust-src of the nightly compiler is needed"
}

nightly() {
    cargo +nightly --version >/dev/null 2>&1 || rustup toolchain install nightly --profile minimal
}

bench() {
    # what people use instead: one that cannot be had is left out of the table
    local program
    for program in age gpg openssl; do
        command -v "$program" >/dev/null || (install "$program") || echo "needs: no $program here: it is not measured"
    done
}

install() {
    command -v apt-get >/dev/null || fail "please install: $*"
    local as_root=()
    if [ "$(id -u)" -ne 0 ]; then
        as_root=(sudo)
    fi
    echo "installing: $*"
    "${as_root[@]}" apt-get update -qq
    "${as_root[@]}" apt-get install -qq -y "$@" >/dev/null
}

fail() {
    echo "needs: $*" >&2
    exit 1
}

main "$@"
