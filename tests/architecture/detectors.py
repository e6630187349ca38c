"""Detectors over source text. Each returns what is wrong, so that a test can also plant a violation and see it found."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "python" / "strongroom"
CORE = ROOT / "rust" / "core" / "src"
GUARDED = (
    "tag|mac|hmac|commitment|signature|digest|secret|passphrase|password|entropy"
    "|data_key|content_key|root_key|mac_key|kek|prk"
)


def foreign_imports(package: Path, doors: Mapping[str, Collection[str]]) -> list[str]:
    """Imports of a guarded module outside the rooms that may import it. `doors`: module → rooms."""
    return [
        f"{path.relative_to(package)}:{line} imports {module}"
        for path in sorted(package.rglob("*.py"))
        for module, line in imported_modules(path.read_text(), package_of(path, package))
        for guarded, rooms in doors.items()
        if is_within(module, guarded) and room_of(path, package) not in rooms
    ]


def imported_modules(source: str, package: str) -> Iterator[tuple[str, int]]:
    """Every module that `source` imports, absolute, with `from a import b` counted as `a.b` since b may be a module."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: package.count(".") + 2 - node.level] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            yield from ((f"{base}.{alias.name}", node.lineno) for alias in node.names)


def package_of(path: Path, package: Path) -> str:
    return ".".join(path.parent.relative_to(package.parent).parts)


def room_of(path: Path, package: Path) -> str:
    return Path(path.relative_to(package).parts[0]).stem


def is_within(module: str, guarded: str) -> bool:
    return module == guarded or module.startswith(guarded + ".")


def rust_arrows(core: Path, allowed: Mapping[str, Collection[str]]) -> list[str]:
    """`crate::…` paths that `allowed` does not name. A room is a file or folder directly under `core`."""
    wrong = []
    for path in sorted(core.rglob("*.rs")):
        room = room_of(path, core)
        if room == "lib":
            continue
        if room not in allowed:
            wrong.append(f"{room}: not on the drawing")
            continue
        strangers = crate_paths(path.read_text()) - {room} - set(allowed[room])
        wrong += [f"{path.relative_to(core)}: {room} → {target}" for target in sorted(strangers)]
    return wrong


def crate_paths(source: str) -> set[str]:
    """The first segments of every `crate::a…` and `crate::{a…, b…}` in Rust source."""
    code = strip_rust(source)
    found = set(re.findall(r"\bcrate::(\w+)", code))
    for group in re.finditer(r"\bcrate::\{", code):
        found |= set(top_level_names(code[group.end() :]))
    return found


def top_level_names(code: str) -> Iterator[str]:
    """First segments of a use group's items, `code` starting just inside its brace."""
    depth, item = 1, ""
    for character in code:
        depth += {"{": 1, "}": -1}.get(character, 0)
        if depth == 0 or (depth == 1 and character == ","):
            yield from re.findall(r"^\s*(\w+)", item)
            item = ""
        else:
            item += character
        if depth == 0:
            return


def rust_uses(rust: Path, pattern: str, may: Collection[str]) -> list[str]:
    """Places where `pattern` occurs in Rust code outside the files and folders that `may` lists."""
    return [
        f"{path.relative_to(rust)}:{number}"
        for path in sorted(rust.rglob("*.rs"))
        if not any(path.relative_to(rust).is_relative_to(place) for place in may)
        for number, line in enumerate(strip_rust(path.read_text()).splitlines(), 1)
        if re.search(pattern, line)
    ]


def plain_comparisons(code: str) -> list[str]:
    """`==` on something named like a secret or an authenticator, or on an exposed secret: these must take constant time."""
    operand = rf"[\w.\[\]()*&]*?(?:{GUARDED})(?:\(\))?"
    named = rf"(?:\b{operand}\s*[=!]=(?!=))|(?:[=!]=\s*[&*]*{operand}(?![\w(.]))|(?:\b{operand}\.(?:eq|ne)\()"
    exposed = r"\bexpose\(\).*[=!]=|[=!]=.*\bexpose\(\)"
    return [line.strip() for line in code.splitlines() if re.search(f"{named}|{exposed}", line)]


def made_plain(code: str) -> list[str]:
    """Every comparison in constant time, as it would read with `==`."""
    calls = re.finditer(r"(?<![.\w])(?<!fn )ct_eq\(", code)
    return [" == ".join(arguments(code[call.end() :])) for call in calls]


def arguments(code: str) -> list[str]:
    """The arguments of a call, `code` starting just inside its parenthesis."""
    depth, found = 0, [""]
    for character in code:
        depth += {"(": 1, "[": 1, ")": -1, "]": -1}.get(character, 0)
        if depth < 0:
            break
        if depth == 0 and character == ",":
            found.append("")
        else:
            found[-1] += character
    return [" ".join(argument.split()) for argument in found if argument.strip()]


def other_comparisons(code: str) -> list[str]:
    """Constant-time comparisons of others: there is one here, so that there is one to look at."""
    names = "ConstantTimeEq|verify_slices_are_equal|compare_digest|bytes_eq|CRYPTO_memcmp|fixed_time_eq"
    return [line.strip() for line in code.splitlines() if re.search(rf"\b(?:{names})\b", line)]


def compared_by_field(source: str) -> list[str]:
    """Python dataclasses with a guarded field that are compared field by field, which is by `==`. Wrapped keys are not secret."""
    return [
        f"{node.name}.{field.target.id}"
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.ClassDef) and any(compares(decorator) for decorator in node.decorator_list)
        for field in node.body
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name)
        if re.search(rf"(?<!wrapped_)(?:{GUARDED})$", field.target.id) and "bytes" in ast.unparse(field.annotation)
        if "compare=False" not in ast.unparse(field)
    ]


def compares(decorator: ast.expr) -> bool:
    """Whether this makes a class a dataclass with `==`."""
    text = ast.unparse(decorator)
    return text.startswith("dataclass") and "eq=False" not in text


def strip_rust(source: str) -> str:
    """The code without comments and string contents, line numbers kept."""

    def blank(match: re.Match[str]) -> str:
        return "\n" * match.group().count("\n")

    comment, raw, text, character = r"//[^\n]*|/\*.*?\*/", r'r#+".*?"#+', r'"(?:\\.|[^"\\])*"', r"'(?:\\.|[^'\\])'"
    return re.sub(f"{comment}|{raw}|{text}|{character}", blank, source, flags=re.DOTALL)


def rust_without_tests(source: str) -> str:
    """Rust code up to its test module, which stands last in a file."""
    return strip_rust(source).split("#[cfg(test)]")[0]
