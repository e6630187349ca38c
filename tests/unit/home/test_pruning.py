"""The oldest entries taken away: what stays is proved as before, and nothing goes that the log has not signed away."""

import json
import shutil
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from rooms import CONTEXT, REQUEST, MadeRoom
from strongroom.audit import Denied, Verifier, Who, entries, pruned
from strongroom.audit.checkpoint import verify
from strongroom.audit.proving import check_proof
from strongroom.audit.verifying import VerifiedLog, verify_log
from strongroom.client.upkeep import Upkeep
from strongroom.errors import AccessDenied, AuditTampered, Misuse
from strongroom.home import Unlock
from strongroom.home import upkeep as home_upkeep
from strongroom.home.auditing import prove_entry
from strongroom.home.pruning import Pruned


def upkeep(room: MadeRoom) -> Upkeep:
    return Upkeep(room.home, Unlock(key_file=room.key_file), principal=None, purpose=None)


def fill(room: MadeRoom, count: int) -> None:
    service = room.open()
    denied = Denied(
        who=Who.of(REQUEST, "tester"), action="decrypt", data_class="default", key_id=None, version=None, why="no"
    )
    service._sink.send([denied.line()] * count)
    service.close()


def checked(room: MadeRoom) -> VerifiedLog:
    """By the public key alone, and by the room; and reckoned up."""
    folder = room.home / "audit"
    found = verify_log(folder, Verifier.parse((folder / "vkey").read_text()))
    assert upkeep(room).verify_audit() == found
    assert upkeep(room).reconcile().wrong == ()
    return found


@pytest.fixture
def long(room: MadeRoom) -> MadeRoom:
    """A room whose log has some bundles."""
    fill(room, 700)
    return room


def test_what_stays_is_proved_as_before(long: MadeRoom, tmp_path: Path) -> None:
    folder = long.home / "audit"
    before, older = list(entries(folder)), (folder / "checkpoint").read_bytes()
    shutil.copytree(folder, tmp_path / "kept")
    done = upkeep(long).prune_audit(keep=200, reason="retention")
    assert done == Pruned(first=256, entries=256, files=2)
    found = checked(long)
    assert (found.pruned, found.size) == (256, len(before) + 3)
    after = list(entries(folder))
    assert after[: len(before) - 256] == before[256:]
    told = [json.loads(entry) for entry in after[-3:]]
    assert [entry["event"] for entry in told] == ["writer-started", "log-pruned", "writer-stopped"]
    assert (told[1]["first"], told[1]["entries"], told[1]["reason"]) == (256, 256, "retention")
    assert told[1]["until"] == max(json.loads(entry)["time"] for entry in before[:256])
    # the root in it is that of the copy's beginning: whoever kept one can show what went
    from strongroom.crypto import merkle_check, merkle_consistency, merkle_continues

    assert merkle_check(tmp_path / "kept", 0, len(before), [256])[1][0].hex() == told[1]["root"]
    verifier = Verifier.parse((folder / "vkey").read_text())
    now, then = verify((folder / "checkpoint").read_bytes(), verifier), verify(older, verifier)
    path = merkle_consistency(folder, then.size, now.size)
    assert merkle_continues(then.size, then.root, now.size, now.root, path)
    for number in (256, 400, now.size - 1):
        index, proof = prove_entry(long.home, number)
        assert check_proof(proof, after[number - 256], verifier) == (index, now)
    with pytest.raises(Misuse, match="covers entries 256 to"):
        prove_entry(long.home, 255)


def test_whole_levels_go_and_the_log_goes_on(room: MadeRoom) -> None:
    fill(room, 66_000)
    assert upkeep(room).prune_audit(keep=0).first == 65_792
    folder = room.home / "audit"
    # 257 bundles and their hashes, and the tile above 256 of them
    assert not (folder / "tile/0/000").exists()
    assert not (folder / "tile/1/000").exists()
    assert checked(room).pruned == 65_792
    for _ in range(2):
        fill(room, 300)
        assert checked(room).pruned == 65_792
    assert upkeep(room).prune_audit(keep=0).first > 65_792
    checked(room)


def test_nothing_unsigned_goes_and_a_dry_run_takes_nothing(long: MadeRoom) -> None:
    folder = long.home / "audit"
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    would = upkeep(long).prune_audit(keep=0, dry_run=True)
    assert (would.first, would.files) == (512, 0)
    assert sorted(path for path in folder.rglob("*") if path.is_file()) == files
    assert checked(long).pruned == 0
    assert upkeep(long).prune_audit(keep=10_000) == Pruned(first=0, entries=0, files=0)
    assert upkeep(long).prune_audit(since=datetime(2020, 1, 1, tzinfo=UTC)).entries == 0
    assert upkeep(long).prune_audit(since=datetime.now(UTC)).first == 512
    assert upkeep(long).prune_audit(since=datetime.now(UTC)).entries == 0
    with pytest.raises(Misuse):
        upkeep(long).prune_audit()


def test_what_others_still_need_stays(long: MadeRoom) -> None:
    folder = long.home / "audit"
    (folder / "forwarded").write_text('{"next":300,"target":"file:///siem"}')
    assert upkeep(long).prune_audit(keep=0, dry_run=True).first == 256
    (folder / "witness").mkdir()
    (folder / "witness" / "lock").touch()
    (folder / "witness" / "0a1b2c3d").write_bytes(b"strongroom/r/l\n255\nroot\n\n")
    assert upkeep(long).prune_audit(keep=0).first == 0


def test_only_the_owner_may(long: MadeRoom, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(home_upkeep, "os_user_beside", lambda owner: "mallory")
    with pytest.raises(AccessDenied, match="mallory"):
        upkeep(long).prune_audit(keep=0)
    monkeypatch.undo()
    assert checked(long).pruned == 0


def test_a_lease_that_reaches_across_is_no_stranger(room: MadeRoom) -> None:
    service = room.open()
    crossing = service.generate_dek(REQUEST, "default", CONTEXT).lease
    service.generate_dek(REQUEST, "default", CONTEXT)
    service.close()
    fill(room, 300)
    service = room.open()
    service.close_lease(crossing, 1, 1, "ended")
    service.close()
    assert upkeep(room).prune_audit(keep=0).first == 256
    checked(room)
    told = [json.loads(entry) for entry in entries(room.home / "audit")]
    (entry,) = (entry for entry in told if entry["event"] == "log-pruned")
    # the other one was never closed, and may be yet
    assert len(entry["leases"]) == 2
    assert crossing.id in entry["leases"]
    fill(room, 300)
    upkeep(room).prune_audit(keep=0)
    checked(room)


EDITS: dict[str, Callable[[Path], object]] = {
    "a bundle is missing that the mark does not name": lambda folder: (folder / "tile/entries/001").unlink(),
    "the mark is missing": lambda folder: (folder / "pruned").unlink(),
    "the mark says more": lambda folder: (folder / "pruned").write_bytes(
        (folder / "pruned").read_bytes().replace(b"256", b"512")
    ),
    "a bundle was edited": lambda folder: edit(folder / "tile/entries/001"),
    "a tile above what is gone was edited": lambda folder: edit(next((folder / "tile/1/000.p").iterdir())),
    "the checkpoint stands in the mark's place": lambda folder: shutil.copy(folder / "checkpoint", folder / "pruned"),
    "the mark stands in the checkpoint's place": lambda folder: shutil.copy(folder / "pruned", folder / "checkpoint"),
}


def edit(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[10] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("what", EDITS)
def test_what_nobody_signed_away_is_missed(long: MadeRoom, what: str) -> None:
    upkeep(long).prune_audit(keep=200)
    folder = long.home / "audit"
    verifier = Verifier.parse((folder / "vkey").read_text())
    verify_log(folder, verifier)
    newest = max((folder / "tile/1/000.p").iterdir(), key=lambda path: int(path.name))
    for other in (folder / "tile/1/000.p").iterdir():
        if other != newest:
            other.unlink()
    EDITS[what](folder)
    with pytest.raises(AuditTampered):
        verify_log(folder, verifier)


def test_a_bundle_missing_without_any_mark(long: MadeRoom) -> None:
    (long.home / "audit/tile/entries/000").unlink()
    with pytest.raises(AuditTampered, match="missing"):
        upkeep(long).verify_audit()
    with pytest.raises(AuditTampered):
        upkeep(long).prune_audit(keep=0)


@pytest.mark.parametrize("step", ["write_mark", "remove_pruned"])
def test_a_crash_loses_nothing_that_is_not_signed_away(
    long: MadeRoom, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    from strongroom.home import pruning

    def crash(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr(pruning, step, crash)
    with pytest.raises(MemoryError):
        upkeep(long).prune_audit(keep=0)
    monkeypatch.undo()
    assert checked(long).pruned == (0 if step == "write_mark" else 512)
    # what a crash has left goes with the next
    fill(long, 300)
    assert upkeep(long).prune_audit(keep=0).first == 768
    assert not (long.home / "audit/tile/entries/000").exists()
    checked(long)


def test_a_later_mark_is_not_taken_back(long: MadeRoom) -> None:
    from strongroom.home import pruning
    from strongroom.home.log import RoomNotary

    upkeep(long).prune_audit(keep=0)
    service = long.open()
    log = next(iter(service._keystore.snapshot().logs))
    notary = RoomNotary(service._keystore, long.room_id, log)
    cut = pruning.Cut(256, 256, datetime.now(UTC), ())
    pruning.take_away(long.home / "audit", notary, cut)
    assert pruned.read_mark(long.home / "audit", notary.verifier).size == 512
    service.close()
    checked(long)


@pytest.mark.skipif(shutil.which("go") is None, reason="needs go")
def test_go_verifies_what_stays(long: MadeRoom, tmp_path: Path) -> None:
    source = Path(__file__).parents[2] / "interop/golog"
    built = subprocess.run(["go", "build", "-o", tmp_path / "golog", "."], cwd=source, capture_output=True, check=False)
    assert built.returncode == 0, built.stderr
    folder = long.home / "audit"
    shutil.copy(folder / "checkpoint", tmp_path / "older")
    upkeep(long).prune_audit(keep=0)
    size = checked(long).size
    command = [tmp_path / "golog", "-from", "512", folder, (folder / "vkey").read_text().strip(), tmp_path / "older"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (
        0,
        f"{size} entries, the first 512 of them not looked at, 2 checkpoints\n",
    ), done.stderr
    command[2] = "256"
    assert subprocess.run(command, capture_output=True, check=False).returncode == 1
