"""The drop-ins; says loudly when there are no originals to compare with."""

from __future__ import annotations

import pytest

from tests.compat.running import ORIGINALS, SOURCES


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say loudly what was not run."""
    if not ORIGINALS.exists():
        text = "llfuse and pyfuse3 are not installed: comparing with them was SKIPPED (make test-dropins)"
        terminalreporter.write_sep("!", text, red=True, bold=True)
    if not SOURCES.exists():
        text = (
            "the programs of llfuse and pyfuse3 are not there: running them was SKIPPED (make test-dropins)"
        )
        terminalreporter.write_sep("!", text, red=True, bold=True)
