"""That the counts can fail: each plant still has its place, and, in the slow test, is found."""

import shutil

import pytest

from benches.counts import plant
from tools.scratch import ROOT, AnchorGone, Edit, edited


@pytest.mark.parametrize("what", plant.PLANTS, ids=lambda what: what.name)
def test_what_is_to_be_planted_has_its_place(what) -> None:
    texts = edited(ROOT, what.name, what.edits)
    assert all(text != path.read_text() for path, text in texts.items())


def test_a_plant_without_its_place_fails_loudly() -> None:
    edit = Edit("rust/core/src/message/aad.rs", "fn that_is_not_there()", "")
    with pytest.raises(AnchorGone, match=r"0 times.*'nowhere'"):
        edited(ROOT, "nowhere", [edit])


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("valgrind") is None, reason="no valgrind here: instructions are not counted")
def test_what_is_planted_is_found() -> None:
    assert plant.main() == 0
