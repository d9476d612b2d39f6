"""What the README shows is run."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.docs.blocks import Page, parse
from tests.support import ROOT

README = ROOT / "README.md"


@pytest.mark.mount
def test_blocks(tmp_path: Path) -> None:
    with Page(README, tmp_path) as page:
        assert page.run() >= 2


def test_the_example_has_fifteen_lines() -> None:
    (example,) = [block for block in parse(README.read_text()) if block.language == "python"]
    assert len([line for line in example.text.splitlines() if line.strip()]) <= 15


def test_commands_are_targets_of_make() -> None:
    makefile = (ROOT / "Makefile").read_text()
    commands = re.findall(r"^make ([\w-]+)", README.read_text(), re.MULTILINE)
    assert commands[:2] == ["demo", "test"]
    for command in commands:
        assert re.search(rf"^{command}:", makefile, re.MULTILINE), command


def test_links_lead_somewhere() -> None:
    for target in re.findall(r"\]\(([^)#:]+)\)", README.read_text()):
        assert (ROOT / target).exists(), target
