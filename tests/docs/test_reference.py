from tools import reference


def test_generated_pages_are_current() -> None:
    stale = [page.name for page, content in reference.pages().items() if page.read_text() != content]
    assert stale == [], "run `make docs`"
