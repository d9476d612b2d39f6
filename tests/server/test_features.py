"""What is asked of the kernel, what it offers, and what came of it."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from fusetree import lowlevel
from fusetree.lowlevel import SessionOptions
from fusetree.testing import Client
from fusetree.testing.protocol import DEFAULT_CAPABILITIES, InitFlag
from tests.server.kits import Few
from tests.support import is_mounted

NOTHING = InitFlag.BIG_WRITES | InitFlag.INIT_EXT | InitFlag.MAX_PAGES


def test_without_a_session_only_what_was_compiled_is_known() -> None:
    found = lowlevel.features()
    for name in ("writeback_cache", "custom_io", "request_timeout", "passthrough", "io_uring"):
        assert found[name].name == name
    assert found["writeback_cache"].compiled
    assert found["writeback_cache"].offered is None
    assert found["writeback_cache"].on is None
    for feature in found.values():
        assert feature.compiled or "needs libfuse" in feature.reason
        assert str(feature).startswith("yes" if feature.compiled else "no: needs libfuse")


def test_each_feature_of_a_session_is_told_with_its_reason() -> None:
    options = SessionOptions(writeback_cache=True, capabilities={"async_direct_io": False})
    with Client(Few(), options=options) as client:
        found = client.session.features()
        assert set(found) == set(lowlevel.features())
        on = found["writeback_cache"]
        assert (on.offered, on.on, on.reason) == (True, True, "option writeback_cache")
        refused = found["async_direct_io"]
        assert (refused.offered, refused.on) == (True, False)
        assert refused.reason == "not wanted: option capabilities"
        by_handlers = found["atomic_o_trunc"]
        assert (by_handlers.on, by_handlers.reason) == (False, "not wanted: Operations.atomic_o_trunc")
        missing = found["splice_read"]
        assert (missing.offered, missing.on) == (False, False)
        assert missing.reason == "the kernel does not offer it"
        for feature in found.values():
            assert feature.on is not None
            assert feature.on or feature.reason
        assert client.agreed & InitFlag.WRITEBACK_CACHE
        assert not client.agreed & InitFlag.ASYNC_DIO
        assert not client.agreed & InitFlag.ATOMIC_O_TRUNC


def test_options_win_over_the_class() -> None:
    class Cached(Few):
        enable_writeback_cache = True
        atomic_o_trunc = True

    with Client(Cached()) as client:
        assert client.agreed & InitFlag.WRITEBACK_CACHE
        assert client.agreed & InitFlag.ATOMIC_O_TRUNC
    with Client(Cached(), options=SessionOptions(writeback_cache=False)) as client:
        assert not client.agreed & InitFlag.WRITEBACK_CACHE
        assert client.agreed & InitFlag.ATOMIC_O_TRUNC


def test_who_applies_the_umask_gets_modes_as_they_were_asked_for() -> None:
    class Umask(Few):
        applies_umask = True

    with Client(Umask()) as client:
        assert client.agreed & InitFlag.DONT_MASK
        assert client.session.features()["dont_mask"].reason == "Operations.applies_umask"
    with Client(Few()) as client:
        assert not client.agreed & InitFlag.DONT_MASK
    with Client(Umask(), options=SessionOptions(capabilities={"dont_mask": False})) as client:
        assert not client.agreed & InitFlag.DONT_MASK


@pytest.mark.usefixtures("descriptors")
@pytest.mark.parametrize("backend", ["threads", "asyncio"])
def test_what_is_insisted_on_and_not_offered_ends_the_session(backend: str) -> None:
    options = SessionOptions(cache_symlinks=True)
    with pytest.raises(lowlevel.UnsupportedFeatureError, match=r"cache_symlinks.*does not offer"):
        Client(Few(), options=options, capabilities=NOTHING, backend=backend).close()  # type: ignore[arg-type]


def test_what_is_hoped_for_and_not_offered_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger="fusetree"):
        with Client(Few(), options=SessionOptions(cache_symlinks="auto"), capabilities=NOTHING) as client:
            assert not client.session.features()["cache_symlinks"].on
    assert "cache_symlinks is off: the kernel does not offer it" in caplog.text


def test_numbers_are_told_to_the_kernel() -> None:
    options = SessionOptions(
        max_write=8192,
        max_read=16384,
        max_readahead=4096,
        max_background=9,
        congestion_threshold=5,
        time_granularity=1000,
    )
    with Client(Few(), options=options) as client:
        reply = client.init_reply
        assert reply.max_write == 8192
        assert reply.max_readahead == 4096
        assert reply.max_background == 9
        assert reply.congestion_threshold == 5
        assert reply.time_gran == 1000
        limits = client.session.connection.limits
        assert limits["max_write"] == 8192
        assert limits["max_read"] == 16384


def test_numbers_that_nobody_asked_for_are_libfuses() -> None:
    with Client(Few()) as client:
        assert client.init_reply.max_write == 1 << 20
        assert client.init_reply.time_gran == 1


def test_more_than_libfuse_has_room_for_is_what_it_has() -> None:
    with Client(Few(), options="max_write=16777216") as client:
        assert client.init_reply.max_write == 1 << 20


def test_parallel_directory_operations_can_be_refused() -> None:
    with Client(Few(), options=SessionOptions(parallel_directory_operations=False)) as client:
        assert not client.agreed & InitFlag.PARALLEL_DIROPS
        assert not client.session.features()["parallel_directory_operations"].on
    with Client(Few()) as client:
        told = bool(client.agreed & InitFlag.PARALLEL_DIROPS)
        feature = client.session.features()["parallel_directory_operations"]
        assert feature.on
        assert told or "may not tell the kernel" in feature.reason
    assert InitFlag.PARALLEL_DIROPS in DEFAULT_CAPABILITIES


@pytest.mark.mount
def test_a_mount_that_does_not_get_what_it_insists_on_is_taken_away(
    mountpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = lowlevel.Session(Few(), mountpoint)
    assert is_mounted(mountpoint)

    def check(connection: object) -> None:  # this kernel offers everything
        raise lowlevel.UnsupportedFeatureError("x")

    monkeypatch.setattr(session._negotiation, "check", check)
    with pytest.raises(lowlevel.UnsupportedFeatureError):
        session.start()
    assert not is_mounted(mountpoint)


@pytest.mark.mount
def test_a_mount_tells_what_the_kernel_offers(mountpoint: Path) -> None:
    with lowlevel.Session(Few(), mountpoint) as session:
        before = session.features()["writeback_cache"]
        assert before.offered is None
        assert before.on is None
        assert "not asked yet" in before.reason
        session.start()
        after = session.features()["writeback_cache"]
        assert after.offered
        assert after.on is False
