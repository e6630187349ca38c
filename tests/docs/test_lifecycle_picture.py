import runpy
from pathlib import Path
from xml.etree import ElementTree

from strongroom.keys import EDGES
from strongroom.model import KeyState

SCRIPT = Path(__file__).parents[2] / "docs" / "build_lifecycle.py"


def test_the_picture_shows_every_state_and_every_edge() -> None:
    made = runpy.run_path(str(SCRIPT))
    assert made["PICTURE"].read_text() == made["build"](), "run docs/build_lifecycle.py"
    texts = [text for text in ElementTree.parse(made["PICTURE"]).iter() if text.tag.endswith("text")]
    assert {text.text for text in texts if text.get("class") == "state"} == {str(state) for state in KeyState}
    arrows = [text for text in texts if text.get("class") == "word"]
    assert len(arrows) == len({(edge.source, edge.target) for edge in EDGES})
