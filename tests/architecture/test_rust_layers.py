from pathlib import Path

from architecture.detectors import (
    CORE,
    ROOT,
    crate_paths,
    rust_arrows,
    rust_uses,
    strip_rust,
)

RUST = ROOT / "rust"

ERROR = {"error"}
WORDS = {"suite", "key", "context"} | ERROR
FORMAT = {"primitives"} | WORDS
ARROWS = {
    "error": set(),
    "suite": ERROR,
    "key": ERROR,
    "context": ERROR,
    "primitives": WORDS,
    "wrap": FORMAT,
    "message": FORMAT,
    "record": FORMAT,
    "merkle": FORMAT,
    "pipeline": ERROR,
    "cache": ERROR,
    "job": {"message", "record", "pipeline", "cache"} | FORMAT,
}

UNSAFE = r"\bunsafe\s*(?:\{|fn|impl|extern|trait)"
UNSAFE_ROOMS = ("secmem", "hsm", "bindings/src/buffer.rs")
# `primitives::argon2` is ours; the crate is told from it by a `use` that starts with it, or by its types
CRATES = "aws_lc_rs|aws_lc_sys|aws_lc_fips_sys|argon2|aes_siv|chacha20poly1305"
CRYPTO_CRATES = (
    rf"\buse (?:::)?(?:{CRATES})\b|(?<!::)\b(?:aws_lc_rs|aws_lc_sys|aws_lc_fips_sys)::|(?<!::)\b(?:{CRATES})::[A-Z]"
)


def test_arrows() -> None:
    assert rust_arrows(CORE, ARROWS) == []


def test_planted_arrows_are_found(tmp_path: Path) -> None:
    (tmp_path / "message").mkdir()
    (tmp_path / "message" / "header.rs").write_text("use crate::{error::{Error, Result}, pipeline::Transform};\n")
    (tmp_path / "cache.rs").write_text("fn f() { crate::message::read() }\n// crate::job is only a word here\n")
    (tmp_path / "attic.rs").write_text("")
    assert rust_arrows(tmp_path, ARROWS) == [
        "attic: not on the drawing",
        "cache.rs: cache → message",
        "message/header.rs: message → pipeline",
    ]


def test_use_groups_are_read_to_their_end() -> None:
    assert crate_paths("use crate::{a, b::{c, d::{e}}, f::g};\nuse crate::h;") == {"a", "b", "f", "h"}


def test_only_code_is_read() -> None:
    source = (
        """let a = '"'; // unsafe {\nlet b = "unsafe {\\" // "; f(r#"unsafe { " "#);\n/* unsafe {\n*/ let c: &'a str;"""
    )
    code = strip_rust(source)
    assert "unsafe" not in code
    assert [line.split("=")[0].strip() for line in code.splitlines()] == ["let a", "let b", "", "let c: &'a str;"]


def test_unsafe_stands_where_the_design_says() -> None:
    outside = {place.split(":")[0] for place in rust_uses(RUST, UNSAFE, UNSAFE_ROOMS)}
    assert len(outside) <= 1, f"one file of primitives may hold unsafe code: {outside}"
    assert all(place.startswith("core/src/primitives") for place in outside), outside


def test_crypto_crates_have_one_importer() -> None:
    assert rust_uses(RUST, CRYPTO_CRATES, ("core/src/primitives", "core/src/primitives.rs")) == []


def test_modules_are_loaded_in_one_place() -> None:
    assert rust_uses(RUST, r"\b(?:cryptoki_sys|libloading)\b", ("hsm",)) == []


def test_planted_uses_are_found(tmp_path: Path) -> None:
    (tmp_path / "core").mkdir()
    (tmp_path / "core" / "a.rs").write_text("//! no unsafe {}\nfn f() {\n    unsafe { g() }\n}\n")
    (tmp_path / "core" / "b.rs").write_text(
        "use aws_lc_rs::aead;\nuse crate::primitives::argon2::Cost;\nlet a = argon2::Argon2::new();\nargon2::derive();\n"
    )
    (tmp_path / "secmem.rs").write_text("unsafe fn g() {}\n")
    assert rust_uses(tmp_path, UNSAFE, ("secmem.rs",)) == ["core/a.rs:3"]
    assert rust_uses(tmp_path, CRYPTO_CRATES, ()) == ["core/b.rs:1", "core/b.rs:3"]
