"""A peer that lost or kept bytes would be timed for work that it did not do."""

import os

import pytest
from cryptography.exceptions import InvalidTag

from benches.harness.row import Unavailable
from benches.peers import pyca_file
from benches.peers.command import found
from benches.peers.file import FilePeer, Workplace
from benches.peers.pyca_file import FRAME, RUN, TAG


@pytest.mark.parametrize("size", [0, 1, FRAME - 1, FRAME, FRAME + 1, RUN * FRAME, RUN * FRAME + 1, 3 * RUN * FRAME - 5])
def test_the_hand_written_loop_gives_back_what_it_was_given(tmp_path, size):
    source, sealed, opened = (tmp_path / name for name in ("source", "sealed", "opened"))
    source.write_bytes(os.urandom(size))
    peer = pyca_file.peer(tmp_path)
    peer.seal(source, sealed)
    peer.open(sealed, opened)
    assert opened.read_bytes() == source.read_bytes()
    assert sealed.stat().st_size == pyca_file.PREFIX + size + TAG * max(-(-size // FRAME), 1)


def test_the_hand_written_loop_leaves_nothing_of_a_message_that_was_changed(tmp_path):
    source, sealed, opened = (tmp_path / name for name in ("source", "sealed", "opened"))
    source.write_bytes(os.urandom(3 * FRAME))
    peer = pyca_file.peer(tmp_path)
    peer.seal(source, sealed)
    changed = bytearray(sealed.read_bytes())
    changed[-1] ^= 1
    sealed.write_bytes(changed)
    with pytest.raises(InvalidTag):
        peer.open(sealed, opened)
    assert {path.name for path in tmp_path.iterdir()} == {"source", "sealed"}


def copy(source, target):
    target.write_bytes(source.read_bytes())


def lose(source, target):
    target.write_bytes(source.read_bytes()[:-1])


@pytest.mark.parametrize(
    ("seal", "unseal", "why"), [(copy, copy, "did not encrypt"), (lose, copy, "does not give back")]
)
def test_a_peer_that_does_not_do_the_work_is_not_timed(tmp_path, seal, unseal, why):
    with pytest.raises(AssertionError, match=why):
        Workplace(tmp_path, 1 << 12).check(FilePeer("idle", seal, unseal))


def test_a_program_that_is_not_installed_is_said():
    with pytest.raises(Unavailable, match="apt install no-such-package"):
        found("no-such-program", "no-such-package")
