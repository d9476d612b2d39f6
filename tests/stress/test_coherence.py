"""Nothing torn, nothing stale: a few seconds of it here, more with `make test-stress`."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.stress.coherence import READERS, stress

SECONDS = float(os.environ.get("STRESS_SECONDS") or 4)

pytestmark = [pytest.mark.mount, pytest.mark.slow, pytest.mark.timeout(SECONDS + 90)]


def test_threads_change_and_processes_look(mountpoint: Path, tmp_path: Path) -> None:
    report = stress(SECONDS, mountpoint, tmp_path)
    assert report.complaints == []
    assert len(report.looks) == READERS
    assert min(report.looks) > 50 * SECONDS
    assert min(report.changes.values()) > 20 * SECONDS
    # The rule holds of what was told: most must have been.
    assert report.undelivered < sum(report.changes.values()) / 10


def test_changes_that_do_not_wait_have_arrived_a_second_later(mountpoint: Path, tmp_path: Path) -> None:
    report = stress(SECONDS / 3, mountpoint, tmp_path, wait=0.0)
    assert report.complaints == []
    assert report.undelivered > 20 * SECONDS / 3
