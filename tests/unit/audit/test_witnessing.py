"""Witnesses: what they cosign is kept and believed, and a log that they have seen cannot become another."""

from __future__ import annotations

import shutil
import time
from typing import TYPE_CHECKING

import pytest
from logs import MemoryNotary, filled
from rooms import copy_of
from strongroom.audit import witnessing
from strongroom.audit.checkpoint import EMPTY
from strongroom.audit.cosigning import Cosigner, check_cosigned, last_cosigned, note_file
from strongroom.audit.verifying import verify_log
from strongroom.audit.witnessing import check_url, witnessed
from strongroom.errors import AuditTampered, AuditUnavailable, Misuse

from torture.witness import Witness, serving

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def notary() -> MemoryNotary:
    return MemoryNotary()


@pytest.fixture
def folder(tmp_path: Path, notary: MemoryNotary) -> Path:
    place = tmp_path / "audit"
    place.mkdir(mode=0o700)
    filled(place, notary, 300)
    return place


@pytest.fixture
def witness(notary: MemoryNotary) -> Iterator[Witness]:
    with serving(Witness(logs=[str(notary.verifier)])) as serves:
        yield serves


def ask(folder: Path, notary: MemoryNotary, witness: Witness):  # type: ignore[no-untyped-def] # Cosigned
    return witnessed(folder, notary.verifier, Cosigner.parse(witness.vkey), witness.url)


def rewritten(folder: Path, notary: MemoryNotary, size: int) -> None:
    """What a thief of the signing key does: another log in the place of the one that was."""
    shutil.rmtree(folder / "tile")
    for name in ("checkpoint", "pending"):
        (folder / name).unlink()
    notary.tree = EMPTY
    (folder / "forged").mkdir(mode=0o700)
    filled(folder / "forged", notary, 5)
    filled(folder / "forged", notary, size - 5)
    for path in list((folder / "forged").iterdir()):
        shutil.rmtree(folder / path.name, ignore_errors=True) if path.is_dir() else None
        path.replace(folder / path.name)
    (folder / "forged").rmdir()


def test_what_is_cosigned_is_kept_and_verified(folder: Path, notary: MemoryNotary, witness: Witness) -> None:
    cosigner = Cosigner.parse(witness.vkey)
    assert str(cosigner) == witness.vkey
    with pytest.raises(AuditTampered, match="no checkpoint that"):
        check_cosigned(folder, notary.verifier, cosigner, 300)
    found = ask(folder, notary, witness)
    assert (found.tree, found.witness) == (notary.tree, witness.name)
    assert abs(found.time.timestamp() - time.time()) < 60
    filled(folder, notary, 700)
    assert check_cosigned(folder, notary.verifier, cosigner, 1000) == found
    assert ask(folder, notary, witness).tree.size == 1000
    assert ask(folder, notary, witness).tree.size == 1000
    assert [request.split(b"\n")[0] for request in witness.requests] == [b"old 0", b"old 300", b"old 1000"]
    assert last_cosigned(folder, notary.verifier, cosigner) == check_cosigned(folder, notary.verifier, cosigner, 1000)
    verify_log(folder, notary.verifier, notary.tree)


def test_a_witness_that_has_seen_more_than_is_known_here_is_asked_once_more(
    folder: Path, notary: MemoryNotary, witness: Witness
) -> None:
    ask(folder, notary, witness)
    note_file(folder, Cosigner.parse(witness.vkey)).unlink()
    filled(folder, notary, 77)
    assert ask(folder, notary, witness).tree.size == 377
    assert [request.split(b"\n")[0] for request in witness.requests] == [b"old 0", b"old 0", b"old 300"]


@pytest.mark.parametrize("size", [200, 300, 301, 1000])
@pytest.mark.parametrize("forgets", [False, True])
def test_a_full_rewrite_with_the_stolen_key_is_caught(
    folder: Path, notary: MemoryNotary, witness: Witness, size: int, *, forgets: bool
) -> None:
    cosigner = Cosigner.parse(witness.vkey)
    ask(folder, notary, witness)
    rewritten(folder, notary, size)
    if forgets:
        shutil.rmtree(folder / "witness")
    # without a witness, and with the keystore in the same hands, nobody could tell
    assert verify_log(folder, notary.verifier, notary.tree).size == size
    with pytest.raises(AuditTampered):
        check_cosigned(folder, notary.verifier, cosigner, size)
    with pytest.raises(AuditTampered, match=witness.name):
        ask(folder, notary, witness)
    assert witness.seen[notary.verifier.name][0] == 300


def test_an_older_log_put_back_is_caught(folder: Path, notary: MemoryNotary, witness: Witness) -> None:
    older = copy_of(folder, "older")
    filled(folder, notary, 10)
    ask(folder, notary, witness)
    shutil.rmtree(folder)
    older.rename(folder)
    with pytest.raises(AuditTampered, match="a longer log"):
        ask(folder, notary, witness)


@pytest.mark.parametrize(
    ("answer", "error", "match"),
    [
        ((200, b""), AuditTampered, "has cosigned"),
        ((200, b"nonsense\xff"), AuditTampered, "has cosigned"),
        ((302, b""), AuditUnavailable, "status 302"),
        ((500, b""), AuditUnavailable, "status 500"),
        ((403, b""), AuditUnavailable, "does not know this log"),
        ((404, b""), AuditUnavailable, "does not know this log"),
        ((422, b""), AuditTampered, "another log"),
        ((409, b"not a number"), AuditTampered, "another log"),
        ((409, b"5\n"), AuditTampered, "another log"),
        ((409, b"9" * 99), AuditTampered, "another log"),
    ],
)
def test_nothing_but_a_cosignature_is_believed(
    folder: Path, notary: MemoryNotary, witness: Witness, answer: tuple[int, bytes], error: type[Exception], match: str
) -> None:
    witness.answer = answer
    with pytest.raises(error, match=match):
        ask(folder, notary, witness)
    assert last_cosigned(folder, notary.verifier, Cosigner.parse(witness.vkey)) is None


def test_a_stranger_with_the_name_of_a_witness_is_not_believed(
    folder: Path, notary: MemoryNotary, witness: Witness
) -> None:
    honest = Cosigner.parse(Witness(name=witness.name).vkey)
    with pytest.raises(AuditTampered, match="has cosigned"):
        witnessed(folder, notary.verifier, honest, witness.url)
    ask(folder, notary, witness)
    kept = note_file(folder, Cosigner.parse(witness.vkey))
    note_file(folder, honest).write_bytes(kept.read_bytes())
    with pytest.raises(AuditTampered, match="has cosigned"):
        last_cosigned(folder, notary.verifier, honest)
    text = kept.read_bytes()
    for at in range(0, len(text), 7):
        kept.write_bytes(text[:at] + bytes([text[at] ^ 1]) + text[at + 1 :])
        with pytest.raises(AuditTampered):
            last_cosigned(folder, notary.verifier, Cosigner.parse(witness.vkey))


def test_a_witness_that_is_slow_or_away_is_not_waited_for(
    folder: Path, notary: MemoryNotary, witness: Witness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(witnessing, "PATIENCE", 0.2)
    witness.delay = 30
    start = time.monotonic()
    with pytest.raises(AuditUnavailable, match="does not answer"):
        ask(folder, notary, witness)
    with pytest.raises(AuditUnavailable, match="does not answer"):
        witnessed(folder, notary.verifier, Cosigner.parse(witness.vkey), "http://127.0.0.1:9/")
    with pytest.raises(AuditUnavailable, match="does not answer"):
        # not a word of TLS is spoken there
        witnessed(folder, notary.verifier, Cosigner.parse(witness.vkey), witness.url.replace("http", "https"))
    assert time.monotonic() - start < 5


def test_only_places_that_are_safe_to_ask_are_asked() -> None:
    for good in (
        "https://witness.example",
        "https://witness.example/a/b",
        "http://127.0.0.1:80/",
        "http://localhost/w",
    ):
        check_url(good)
    for bad in (
        "http://witness.example",
        "ftp://x",
        "https://",
        "https://a:b@x",
        "https://x?y",
        "https://x#y",
        "x",
        "",
    ):
        with pytest.raises(Misuse):
            check_url(bad)


@pytest.mark.parametrize("text", ["", "a+b+c", "w+00000000+BAAA"])
def test_keys_that_are_none_are_refused(text: str, notary: MemoryNotary, witness: Witness) -> None:
    for bad in (text, str(notary.verifier), witness.vkey.replace("+", "+0", 1), f"x{witness.vkey}"):
        with pytest.raises(Misuse, match="key of a witness"):
            Cosigner.parse(bad)
