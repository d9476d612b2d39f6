"""The import rule for the Cython sources, which import-linter does not read: row 0 and libfuse only.

The rows of the Python rooms are in pyproject.toml ([tool.importlinter]).
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

CORE = Path(__file__).resolve().parent.parent / "src" / "_lowlevel"
SOURCES = sorted(path for kind in ("*.pyx", "*.pxd", "*.pyi") for path in CORE.rglob(kind))
BELOW = ("fusetree.flags", "fusetree.types", "fusetree.errors", "fusetree._lowlevel")

_FROM = re.compile(r"^\s*from\s+([\w.]+)\s+c?import\b")
_IMPORT = re.compile(r"^\s*c?import\s+([\w.]+(?:\s*,\s*[\w.]+)*)")


def imported(source: str) -> list[str]:
    """The modules that a Cython source imports or cimports, by the names written there."""
    found: list[str] = []
    for line in source.splitlines():
        if match := _FROM.match(line):
            found.append(match[1])
        elif match := _IMPORT.match(line):
            found += [name.strip() for name in match[1].split(",")]
    return found


def test_the_reader_of_imports_sees_all_forms() -> None:
    source = (
        "from a.b cimport c\n  from d import e\nimport f, g.h\ncimport i.j\nfrom . import k\nfromage = 1\n"
    )
    assert imported(source) == ["a.b", "d", "f", "g.h", "i.j", "."]


def test_there_are_sources() -> None:
    assert any(path.suffix == ".pyx" for path in SOURCES)


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(CORE)))
def test_core_knows_only_row_0_and_itself(path: Path) -> None:
    for name in imported(path.read_text()):
        assert not name.startswith("."), f"{name}: imports of the core are absolute"
        if name.split(".")[0] == "fusetree":
            assert any(name == below or name.startswith(f"{below}.") for below in BELOW), name


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(CORE)))
def test_no_textual_includes_and_no_star_imports(path: Path) -> None:
    for number, line in enumerate(path.read_text().splitlines(), 1):
        assert not re.match(r"^\s*include\s+[\"']", line), f"line {number}: {line}"
        assert not re.match(r"^\s*from\s+\S+\s+c?import\s+\*", line), f"line {number}: {line}"


@pytest.mark.parametrize(
    "path", [path for path in SOURCES if path.suffix == ".pyx"], ids=lambda path: path.name
)
def test_every_module_has_its_stub_beside_it(path: Path) -> None:
    assert path.with_suffix(".pyi").exists()


@pytest.mark.parametrize(
    "path", [path for path in SOURCES if path.suffix == ".pyx"], ids=lambda path: path.name
)
def test_nothing_is_async_in_the_core(path: Path) -> None:
    assert not re.search(r"^\s*async\s+def\b", path.read_text(), re.MULTILINE)


def test_the_core_is_found_through_the_committed_link() -> None:
    link = CORE.parent / "fusetree" / "_lowlevel"
    assert link.is_symlink()
    assert link.readlink() == Path("../_lowlevel")
