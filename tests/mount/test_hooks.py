"""Hooks on a real mount: who wrote, and that the writer has them behind it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import attrs
import pytest

import fusetree
from fusetree import Dir, entry, node
from tests.mount.conftest import Mounting
from tests.support import shell

pytestmark = pytest.mark.mount


@node
class Valve(Dir):
    opening: int = entry(0, on_change="moved")
    plan: list[int] = entry(factory=list, name="plan.json", on_change="moved")
    seen: list[Any] = attrs.field(factory=list)

    def moved(self, old: object, new: object) -> None:
        context = fusetree.context()
        self.seen.append((old, new, context.uid, context.pid))


def test_the_program_hears_who_wrote_what(mountpoint: Path, mounted: Mounting) -> None:
    valve = Valve(seen=[])
    mounted(valve)
    pid = int(shell("echo 40 > opening; echo $$", cwd=mountpoint).ok().text)
    assert valve.seen == [(0, 40, os.geteuid(), pid)]
    assert "Invalid argument" in shell("echo far > opening", cwd=mountpoint).error
    shell("echo '[1, 2]' > plan.json && cat plan.json", cwd=mountpoint).ok()
    assert [call[:2] for call in valve.seen[1:]] == [([], [1, 2])]
    valve.opening = 7
    assert len(valve.seen) == 2
