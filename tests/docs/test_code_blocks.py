"""Every code block of the documentation is run."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.docs.blocks import Page, matches, parse

DOCS = Path(__file__).parents[2] / "docs"

PAGES = sorted(path.relative_to(DOCS) for path in DOCS.rglob("*.md") if "_build" not in path.parts)


@pytest.mark.mount
@pytest.mark.parametrize("page", PAGES, ids=str)
def test_blocks_of_page(page: Path, tmp_path: Path) -> None:
    with Page(DOCS / page, tmp_path) as run:
        run.run()


class TestParse:
    def test_language_caption_text_and_line(self) -> None:
        blocks = parse(
            "# T\n\n```{code-block} python\n:caption: `app.py`\n\nx = 1\n```\n\n```text\nno\n```\n"
        )
        assert [(block.language, block.caption, block.text, block.line) for block in blocks] == [
            ("python", "app.py", "\nx = 1\n", 5),
            ("text", None, "no\n", 10),
        ]

    def test_other_directives_are_no_code(self) -> None:
        assert parse("```{note}\nhello\n```\n") == []

    def test_matches_with_an_ellipsis(self) -> None:
        assert matches("a ... c\n", "a b c  \n")
        assert not matches("a\n", "a\nb\n")
