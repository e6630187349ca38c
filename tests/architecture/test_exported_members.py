"""What a package says it exports is what it has, and documented. That it is sorted, ruff checks."""

import importlib
import inspect
import pkgutil

import pytest
import strongroom

PACKAGES = sorted(
    module.name
    for module in pkgutil.walk_packages(strongroom.__path__, "strongroom.")
    if module.ispkg and not module.name.rpartition(".")[2].startswith("_")
)


@pytest.mark.parametrize("name", ["strongroom", *PACKAGES])
def test_all_is_whole(name: str) -> None:
    module = importlib.import_module(name)
    if not hasattr(module, "__all__"):
        return
    assert len(module.__all__) == len(set(module.__all__))
    assert [member for member in module.__all__ if not hasattr(module, member)] == []


@pytest.mark.parametrize("name", ["strongroom", *PACKAGES])
def test_everything_exported_is_documented(name: str) -> None:
    module = importlib.import_module(name)
    exported = {member: getattr(module, member) for member in getattr(module, "__all__", ())}
    speechless = [member for member, value in exported.items() if callable(value) and not inspect.getdoc(value)]
    assert speechless == []


def test_dir_lists_what_is_exported() -> None:
    public = [member for member in dir(strongroom) if not member.startswith("_")]
    assert set(getattr(strongroom, "__all__", ())) - {"__version__"} <= set(public)
