"""Our log read by Go's checksum-database packages, which know nothing of us: see tests/interop/golog."""

import base64
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from logs import MemoryNotary, filled
from strongroom.audit import entries
from strongroom.audit.cosigning import Cosigner, note_file
from strongroom.audit.proving import prove
from strongroom.audit.witnessing import witnessed

from torture.witness import Witness, serving

SIZES = (1, 255, 256, 257, 65_536)
IN_THE_LONG_RUN = 1_000_000


@pytest.fixture(scope="session")
def golog(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if shutil.which("go") is None:
        pytest.skip("needs go")
    program = tmp_path_factory.mktemp("golog") / "golog"
    source = Path(__file__).parent / "golog"
    built = subprocess.run(["go", "build", "-o", program, "."], cwd=source, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
    return program


def verify(golog: Path, folder: Path, notary: MemoryNotary, older: list[Path]) -> subprocess.CompletedProcess[str]:
    command = [golog, folder, str(notary.verifier), *older]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def grown(folder: Path, sizes: tuple[int, ...]) -> tuple[MemoryNotary, list[Path]]:
    """A log of the last of these sizes, and the checkpoints at all of them."""
    notary, kept = MemoryNotary(), []
    folder.mkdir(mode=0o700)
    for size in sizes:
        filled(folder, notary, size - notary.tree.size)
        kept.append(folder.with_name(f"checkpoint-{size}"))
        shutil.copy(folder / "checkpoint", kept[-1])
    return notary, kept


@pytest.mark.parametrize("size", SIZES)
def test_every_entry_and_every_older_checkpoint_is_proved(golog: Path, tmp_path: Path, size: int) -> None:
    sizes = tuple(sorted({1, size // 3 or 1, *(each for each in SIZES if each <= size)}))
    notary, older = grown(tmp_path / "audit", sizes)
    done = verify(golog, tmp_path / "audit", notary, older)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"{size} entries, {len(sizes) + 1} checkpoints\n"


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_a_million_entries(golog: Path, tmp_path: Path) -> None:
    notary, older = grown(tmp_path / "audit", (65_537, 500_000, IN_THE_LONG_RUN))
    done = verify(golog, tmp_path / "audit", notary, older)
    assert done.stdout == f"{IN_THE_LONG_RUN} entries, 4 checkpoints\n", done.stderr


def test_what_a_witness_has_cosigned_is_proved(golog: Path, tmp_path: Path) -> None:
    notary, older = grown(tmp_path / "audit", (3, 300))
    with serving(Witness(logs=[str(notary.verifier)])) as witness:
        cosigner = Cosigner.parse(witness.vkey)
        witnessed(tmp_path / "audit", notary.verifier, cosigner, witness.url)
        filled(tmp_path / "audit", notary, 500)
        note = note_file(tmp_path / "audit", cosigner)
        command = [golog, "-witness", witness.vkey, tmp_path / "audit", str(notary.verifier)]
        done = subprocess.run([*command, note], capture_output=True, text=True, check=False)
        assert (done.stdout, done.stderr) == ("800 entries, 2 checkpoints\n", "")
        # one that no witness has seen, and one that says another time
        assert subprocess.run([*command, older[1]], capture_output=True, check=False).returncode == 1
        signature = base64.b64decode(note.read_text().split()[-1])
        later = signature[:11] + bytes([signature[11] ^ 1]) + signature[12:]
        text = note.read_text().replace(base64.b64encode(signature).decode(), base64.b64encode(later).decode())
        note.write_text(text)
        assert subprocess.run([*command, note], capture_output=True, check=False).returncode == 1


def test_one_entry_is_proved_without_the_log(golog: Path, tmp_path: Path) -> None:
    notary, _ = grown(tmp_path / "audit", (300,))
    source, proof = list(entries(tmp_path / "audit")), tmp_path / "proof"
    command = [golog, "-proof", proof, str(notary.verifier)]
    for number in (0, 255, 256, 299):
        proof.write_bytes(prove(tmp_path / "audit", number, notary.verifier))
        done = subprocess.run(command, input=source[number], capture_output=True, check=False)
        assert (done.stdout, done.stderr) == (b"entry %d of 300\n" % number, b"")
        other = source[number].replace(b"denied", b"failed")
        assert subprocess.run(command, input=other, capture_output=True, check=False).returncode == 1


def test_what_is_not_so_is_refused(golog: Path, tmp_path: Path) -> None:
    notary, older = grown(tmp_path / "audit", (3, 300))
    stranger = MemoryNotary()
    assert verify(golog, tmp_path / "audit", stranger, []).returncode == 1
    other, others = grown(tmp_path / "other", (3,))
    other.key, other.verifier = notary.key, notary.verifier
    assert verify(golog, tmp_path / "audit", notary, others).returncode == 1
    bundle = tmp_path / "audit/tile/entries/000"
    content = bytearray(bundle.read_bytes())
    content[100] ^= 1
    bundle.write_bytes(content)
    done = verify(golog, tmp_path / "audit", notary, older)
    assert done.returncode == 1, done
    assert os.linesep in done.stderr
