"""What the kernel reads and writes by itself: one backing id for each open file of the tree, given back."""

from __future__ import annotations

import errno
import logging
import os
from collections.abc import Callable

import pytest

from fusetree.adapter.backing import Backings
from fusetree.errors import UnsupportedFeatureError


class Kernel:
    """Gives out backing ids."""

    def __init__(self) -> None:
        self.given: set[int] = set()
        self.asked = 0
        self.error: Exception | None = None
        self.meanwhile: Callable[[], object] = int

    def open(self, fd: int) -> int:
        self.asked += 1
        if self.error is not None:
            raise self.error
        number = self.asked
        meanwhile, self.meanwhile = self.meanwhile, int
        meanwhile()
        self.given.add(number)
        return number

    def close(self, backing_id: int) -> None:
        self.given.remove(backing_id)


@pytest.fixture
def kernel() -> Kernel:
    return Kernel()


@pytest.fixture
def backings(kernel: Kernel) -> Backings:
    return Backings(kernel.open, kernel.close)


def test_one_id_while_it_is_open(kernel: Kernel, backings: Backings) -> None:
    opened = [backings.open(2, flags, lambda: 5) for flags in (os.O_RDONLY, os.O_RDWR, os.O_DIRECT)]
    assert {backed.backing_id for backed in opened} == {1}
    assert backings.open(3, os.O_RDONLY, lambda: 6).backing_id == 2
    for backed, flags in zip(opened, (os.O_RDONLY, os.O_RDWR, os.O_DIRECT), strict=True):
        assert kernel.given == {1, 2}
        backings.close(backed, flags)
    assert kernel.given == {2}
    assert backings.open(2, os.O_RDONLY, lambda: 5).backing_id == 3


def test_who_was_slower_gives_back_what_it_made_in_vain(kernel: Kernel, backings: Backings) -> None:
    kernel.meanwhile = lambda: opened.append(backings.open(2, os.O_RDONLY, lambda: 5))
    opened: list[object] = []
    backed = backings.open(2, os.O_RDONLY, lambda: 5)
    assert opened == [backed]
    assert kernel.given == {backed.backing_id}
    for _ in range(2):
        backings.close(backed, os.O_RDONLY)
    assert kernel.given == set()


@pytest.mark.parametrize(("flags", "descriptor"), [(os.O_DIRECT, lambda: 5), (os.O_RDONLY, None)])
def test_what_began_with_the_page_cache_stays_so(
    flags: int, descriptor: Callable[[], int] | None, kernel: Kernel, backings: Backings
) -> None:
    first = backings.open(2, flags, descriptor)
    second = backings.open(2, os.O_RDWR, lambda: 5)
    assert (first.backing_id, second.backing_id, kernel.asked) == (0, 0, 0)
    assert backings.written == set()  # each write comes here
    assert not backings.close(first, flags)
    assert not backings.close(second, os.O_RDWR)
    assert backings.open(2, os.O_RDWR, lambda: 5).backing_id == 1


def test_the_last_who_writes_is_told_of(backings: Backings) -> None:
    one, two = (backings.open(2, flags, lambda: 5) for flags in (os.O_WRONLY, os.O_RDWR | os.O_APPEND))
    reader = backings.open(2, os.O_RDONLY, lambda: 5)
    assert backings.written == {2}
    assert not backings.close(one, os.O_WRONLY)
    assert backings.written == {2}
    assert backings.close(two, os.O_RDWR)
    assert backings.written == set()
    assert not backings.close(reader, os.O_RDONLY)


def test_a_refused_file_is_served_as_ever_and_a_session_without_it_is_asked_once(
    kernel: Kernel, backings: Backings, caplog: pytest.LogCaptureFixture
) -> None:
    kernel.error = OSError(errno.ELOOP, os.strerror(errno.ELOOP))
    for node_id in (2, 3):
        assert backings.open(node_id, os.O_RDWR, lambda: 5).backing_id == 0
    assert kernel.asked == 2
    kernel.error = UnsupportedFeatureError("passthrough", reason="the kernel does not offer it")
    for node_id in (4, 5):
        assert backings.open(node_id, os.O_RDWR, lambda: 5).backing_id == 0
    assert kernel.asked == 3
    assert caplog.records == []


def test_who_insists_hears_of_the_first(kernel: Kernel, caplog: pytest.LogCaptureFixture) -> None:
    backings = Backings(kernel.open, kernel.close, insists=True)
    kernel.error = OSError(errno.ELOOP, os.strerror(errno.ELOOP))
    with caplog.at_level(logging.WARNING, "fusetree.adapter"):
        for node_id in (2, 3):
            assert backings.open(node_id, os.O_RDWR, lambda: 5).backing_id == 0
    assert [("stacked on another" in record.message) for record in caplog.records] == [True]
