"""Sessions that an event loop serves: each test once under asyncio and once under trio."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any, TypeAlias

import pytest

from fusetree.testing import Client
from tests.server.kits import HAS_TRIO, KITS, Kit

Serve: TypeAlias = Callable[..., Client]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say loudly what was not run."""
    if not HAS_TRIO:
        terminalreporter.write_sep("!", "trio is not installed: its tests were SKIPPED", red=True, bold=True)


@pytest.fixture(params=sorted(KITS))
def kit(request: pytest.FixtureRequest) -> Kit:
    """One of the event loops."""
    if request.param == "trio" and not HAS_TRIO:
        pytest.skip("trio is not installed")
    return KITS[request.param]()


@pytest.fixture
def serve(kit: Kit) -> Iterator[Serve]:
    """Makes a client of operations, or of a tree, that the loop serves in a thread of its own."""
    with ExitStack() as stack:

        def do(root: Any, **options: Any) -> Client:
            return stack.enter_context(Client(root, backend=kit.backend, loop_debug=True, **options))

        yield do
