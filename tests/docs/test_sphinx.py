"""The documentation can be made: every page, every docstring, every reference."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support import ROOT, python

DOCS = ROOT / "docs"


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_it_is_made_without_a_warning(tmp_path: Path) -> None:
    pytest.importorskip("sphinx")
    pytest.importorskip("myst_parser")
    done = python(
        "-m",
        "sphinx",
        "-n",
        "-W",
        "--keep-going",
        "-q",
        "-d",
        tmp_path / "trees",
        DOCS,
        tmp_path / "html",
        timeout=170,
    )
    assert done.error == ""
    done.ok()
    reference = (tmp_path / "html" / "reference" / "lowlevel.html").read_text()
    assert 'id="fusetree.lowlevel.Operations.lookup"' in reference


def test_every_page_is_reached_from_the_index() -> None:
    """A page that no table of contents names is found by nobody."""
    pages = {path.relative_to(DOCS).with_suffix("").as_posix() for path in DOCS.rglob("*.md")}
    named = {"index"}
    for page in DOCS.rglob("*.md"):
        folder = page.parent.relative_to(DOCS)
        text = page.read_text()
        for block in text.split("```{toctree}")[1:]:
            for line in block.partition("```")[0].splitlines():
                if line == "*":
                    named |= {
                        path.relative_to(DOCS).with_suffix("").as_posix() for path in page.parent.glob("*.md")
                    }
                elif line and not line.startswith(":"):
                    named.add((folder / line).as_posix())
    assert pages == named
