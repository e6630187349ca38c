"""Our log read by Go's checksum-database packages, which know nothing of us: see tests/interop/golog.

Consistency is tried of any two sizes m <= n:
- exhaustively in logs of 1, 255, 256 and 257 entries, by Go's proofs out of our tiles, each verified by Go and by us;
- exhaustively in a log that grew to 257 one entry at a time: our proofs, out of the tiles as they were at n, are those that Go verifies;
  and there every two of its 257 signed checkpoints;
- in logs of 65,536 and (slow) 1,000,000 entries for every two of the checkpoints that were kept, and for a sample of other sizes.
"""

import base64
import os
import random
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import pytest
from logs import MemoryNotary, filled
from strongroom.audit import entries
from strongroom.audit.cosigning import Cosigner, note_file
from strongroom.audit.proving import prove
from strongroom.audit.witnessing import witnessed
from strongroom.crypto import merkle_check, merkle_consistency, merkle_continues

from torture.witness import Witness, serving

SIZES = (1, 255, 256, 257, 65_536)
IN_THE_LONG_RUN = 1_000_000
MOST_IN_STEPS = 257
EDGES = tuple(edge + beside for edge in (256, 512, 65_536, 131_072) for beside in (-1, 0, 1))


@pytest.fixture(scope="session")
def golog(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if shutil.which("go") is None:
        pytest.skip("needs go")
    program = tmp_path_factory.mktemp("golog") / "golog"
    source = Path(__file__).parent / "golog"
    built = subprocess.run(["go", "build", "-o", program, "."], cwd=source, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
    return program


def verify(
    golog: Path, folder: Path, notary: MemoryNotary, older: list[Path], *options: str | Path
) -> subprocess.CompletedProcess[str]:
    command = [golog, *options, folder, str(notary.verifier), *older]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@dataclass(frozen=True)
class Proved:
    """That a tree of `size` begins with the one of `old`, as Go has proved and verified it."""

    old: int
    size: int
    old_root: bytes
    root: bytes
    path: list[bytes]

    @property
    def holds(self) -> bool:
        """Whether we think so too."""
        return merkle_continues(self.old, self.old_root, self.size, self.root, self.path)


def consistent(golog: Path, folder: Path, notary: MemoryNotary, pairs: list[tuple[int, int]]) -> Iterator[Proved]:
    """Go's proofs for each two of these sizes, the smaller first."""
    wanted = folder.with_name("pairs")
    wanted.write_text("".join(f"{old} {size}\n" for old, size in pairs))
    done = verify(golog, folder, notary, [], "-pairs", wanted)
    assert (done.returncode, done.stderr) == (0, "")
    *lines, said = done.stdout.splitlines()
    assert said == f"{notary.tree.size} entries, 1 checkpoints"
    for (old, size), line in zip(pairs, lines, strict=True):
        numbers, hashes = line.split()[:2], [base64.b64decode(each) for each in line.split()[2:]]
        assert numbers == [str(old), str(size)]
        yield Proved(old, size, hashes[0], hashes[1], hashes[2:])


def every_two(sizes: range) -> list[tuple[int, int]]:
    """A size and one that is not smaller."""
    return [(old, size) for size in sizes for old in range(sizes.start, size + 1)]


def some_two(most: int, count: int) -> list[tuple[int, int]]:
    """So many of any sizes, and of those beside the edges of tiles, the same in each run."""
    dice, edges = random.Random(f"two sizes up to {most}"), [each for each in EDGES if each <= most]
    any_two = [(dice.randint(1, most), dice.randint(1, most)) for _ in range(count)]
    of_edges = [(edge, dice.randint(1, most)) for edge in edges] + list(combinations([*edges, most], 2))
    return [(min(two), max(two)) for two in any_two + of_edges]


def grown(folder: Path, sizes: Sequence[int], notary: MemoryNotary | None = None) -> tuple[MemoryNotary, list[Path]]:
    """A log of the last of these sizes, and the checkpoints at all of them."""
    notary, kept = notary or MemoryNotary(), []
    folder.mkdir(mode=0o700)
    for size in sizes:
        filled(folder, notary, size - notary.tree.size)
        kept.append(checkpoint_of(folder, size))
    return notary, kept


def checkpoint_of(folder: Path, size: int) -> Path:
    """A copy of the checkpoint at this size."""
    return Path(shutil.copy(folder / "checkpoint", folder.with_name(f"{folder.name}-{size}")))


@pytest.mark.parametrize("size", SIZES)
def test_every_entry_and_every_older_checkpoint_is_proved(golog: Path, tmp_path: Path, size: int) -> None:
    sizes = tuple(sorted({1, size // 3 or 1, *(each for each in SIZES if each <= size)}))
    notary, older = grown(tmp_path / "audit", sizes)
    done = verify(golog, tmp_path / "audit", notary, older)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"{size} entries, {len(sizes) + 1} checkpoints\n"


@pytest.mark.parametrize("size", [1, 255, 256, 257])
def test_any_two_sizes_of_a_small_log_are_consistent(golog: Path, tmp_path: Path, size: int) -> None:
    notary, _ = grown(tmp_path / "audit", (size,))
    pairs = every_two(range(1, size + 1))
    proofs = list(consistent(golog, tmp_path / "audit", notary, pairs))
    assert len(proofs) == size * (size + 1) // 2
    assert all(proof.holds for proof in proofs)
    assert proofs[-1].root == notary.tree.root


def test_our_proofs_of_any_two_sizes_are_those_that_go_verifies(golog: Path, tmp_path: Path) -> None:
    folder, notary, kept = tmp_path / "audit", MemoryNotary(), []
    folder.mkdir(mode=0o700)
    ours: list[list[bytes]] = []
    roots: dict[int, bytes] = {}
    for size in range(1, MOST_IN_STEPS + 1):
        filled(folder, notary, 1)
        roots[size] = notary.tree.root
        ours += [merkle_consistency(folder, old, size) for old in range(1, size + 1)]
        kept.append(checkpoint_of(folder, size))
    proofs = list(consistent(golog, folder, notary, every_two(range(1, MOST_IN_STEPS + 1))))
    assert [proof.path for proof in proofs] == ours
    # of sizes that were signed, so the roots are those of checkpoints
    assert all((proof.old_root, proof.root) == (roots[proof.old], roots[proof.size]) for proof in proofs)
    done = verify(golog, folder, notary, kept)
    assert (done.stdout, done.stderr) == (f"{MOST_IN_STEPS} entries, {MOST_IN_STEPS + 1} checkpoints\n", "")


def test_two_sizes_of_a_large_log_are_consistent(golog: Path, tmp_path: Path) -> None:
    check_large(golog, tmp_path / "audit", (1, 21_845, 255, 256, 257, 32_768, 65_535, 65_536), 5_000)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_a_million_entries(golog: Path, tmp_path: Path) -> None:
    check_large(golog, tmp_path / "audit", (1, 256, 65_535, 65_536, 65_537, 131_072, 500_000, IN_THE_LONG_RUN), 20_000)


def check_large(golog: Path, folder: Path, signed: tuple[int, ...], count: int) -> None:
    """Every two of the checkpoints at sizes that were signed, and a sample of `count` others and of edges."""
    sizes = tuple(sorted(signed))
    notary, kept = grown(folder, sizes)
    done = verify(golog, folder, notary, kept)
    assert (done.stdout, done.stderr) == (f"{sizes[-1]} entries, {len(sizes) + 1} checkpoints\n", "")
    pairs = some_two(sizes[-1], count)
    proofs = list(consistent(golog, folder, notary, pairs))
    assert all(proof.holds for proof in proofs)
    # ours lead to the newest from any size
    for proof in consistent(golog, folder, notary, [(old, sizes[-1]) for old, _ in pairs]):
        assert merkle_consistency(folder, proof.old, proof.size) == proof.path
    # and the roots at all of these sizes, made in one pass over the entries
    roots = {size: root for proof in proofs for size, root in ((proof.old, proof.old_root), (proof.size, proof.root))}
    _, found = merkle_check(folder, 0, sizes[-1], sorted(roots))
    assert found == [roots[size] for size in sorted(roots)]


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
    assert verify(golog, tmp_path / "audit", notary, older).returncode == 0
    # another log under the same key, and a checkpoint of more than there is
    same = MemoryNotary()
    same.key, same.verifier = notary.key, notary.verifier
    _, others = grown(tmp_path / "other", (3, 310), same)
    for checkpoint in others:
        refused = verify(golog, tmp_path / "audit", notary, [checkpoint])
        assert refused.returncode == 1
        assert "signature" not in refused.stderr
    bundle = tmp_path / "audit/tile/entries/000"
    content = bytearray(bundle.read_bytes())
    content[100] ^= 1
    bundle.write_bytes(content)
    done = verify(golog, tmp_path / "audit", notary, older)
    assert done.returncode == 1, done
    assert os.linesep in done.stderr
