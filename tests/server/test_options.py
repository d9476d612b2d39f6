"""What can be asked of a low-level session's mount, and what is refused before anything is mounted."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from fusetree import lowlevel
from fusetree.lowlevel import SessionOptions
from tests.server.kits import Few
from tests.support import fuse_mounts, is_mounted


def test_nothing_asked_for_is_a_safe_mount() -> None:
    assert SessionOptions().strings() == ("nosuid", "nodev")


@pytest.mark.parametrize(
    ("strings", "fields"),
    [
        ((), {}),
        ("ro,fsname=x", {"extra": ("ro", "fsname=x")}),
        (["fsname=x", "default_permissions"], {"extra": ("fsname=x", "default_permissions")}),
        ({"max_write=8192", "fsname=x"}, {"max_write": 8192, "extra": ("fsname=x",)}),
        (["max_read=4096"], {"max_read": 4096}),
        (
            ["max_background=20", "congestion_threshold=10"],
            {"max_background": 20, "congestion_threshold": 10},
        ),
        (["max_readahead=0131072"], {"max_readahead": 131072}),
        (["time_gran=1000"], {"time_granularity": 1000}),
        (
            ["writeback_cache", "atomic_o_trunc", "sync_read"],
            {"writeback_cache": True, "atomic_o_trunc": True, "async_read": False},
        ),
    ],
)
def test_strings_as_llfuse_takes_them(strings: Any, fields: dict[str, Any]) -> None:
    assert SessionOptions.of(strings) == SessionOptions(**fields)


def test_options_are_themselves() -> None:
    options = SessionOptions(ro=True)
    assert SessionOptions.of(options) is options


@pytest.mark.parametrize(
    ("strings", "said"),
    [
        ("no_such_option", "unknown"),
        ("default_permision", "did you mean 'default_permissions'"),
        ("ro=1", "takes no value"),
        ("fsname", "needs a value"),
        ("fsname=a,fsname=b", "contradict"),
        ("ro,rw", "contradict"),
        ("sync,async", "contradict"),
        ("allow_other,allow_root", "contradict"),
        ("auto_unmount,dev", "contradict"),
        ("max_write=many", "needs a number"),
        ("max_write=4096,max_write=8192", "contradicts"),
        ("max_write=1", "4096 to"),
        ("async_read,sync_read", "contradicts"),
        ("max_background=5,congestion_threshold=6", "above max_background"),
        ("nonempty", "without it"),
        ("big_writes", "always big"),
        ("fd=3", "opens the device itself"),
        ("-o ro", "without the leading"),
    ],
)
def test_strings_are_refused_with_words(strings: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        SessionOptions.of(strings)


@pytest.mark.parametrize(
    ("keywords", "error", "said"),
    [
        ({"max_write": 4095}, ValueError, "4096 to"),
        ({"max_write": "x"}, TypeError, "number of bytes"),
        ({"max_write": True}, TypeError, "number of bytes"),
        ({"max_read": 0}, ValueError, "4096 to"),
        ({"max_read": 4096, "extra": "max_read=4096"}, ValueError, "contradicts"),
        ({"max_background": 0}, ValueError, "1 to 65535"),
        ({"max_background": 65536}, ValueError, "1 to 65535"),
        ({"max_background": 5, "congestion_threshold": 6}, ValueError, "never be reached"),
        ({"time_granularity": 30}, ValueError, "power of 10"),
        ({"time_granularity": 10**10}, ValueError, "1 to 1000000000"),
        ({"request_timeout": 0}, ValueError, "1 to 65535"),
        ({"writeback_cache": "yes"}, TypeError, '"auto"'),
        ({"writeback_cache": 1}, TypeError, "writeback_cache"),
        ({"capabilities": {"no_such": True}}, ValueError, "no_such"),
        ({"capabilities": {"writeback_cache": True}}, ValueError, "give writeback_cache= by itself"),
        ({"capabilities": {"dont_mask": 1}}, TypeError, "dont_mask"),
        ({"auto_unmount": True, "suid": True}, ValueError, "fusermount3"),
        ({"watchdog": 0}, ValueError, "watchdog"),
        ({"watchdog": float("inf")}, ValueError, "watchdog"),
        ({"no_such": 1}, TypeError, "no_such"),
    ],
)
def test_mistakes_are_refused_with_words(keywords: dict[str, Any], error: type[Exception], said: str) -> None:
    with pytest.raises(error, match=said):
        SessionOptions(**keywords)


def test_acls_need_the_kernels_check_of_permissions() -> None:
    assert "default_permissions" in SessionOptions(posix_acl=True).strings()


@pytest.mark.mount
class TestMounted:
    @pytest.mark.parametrize(
        "options",
        ["no_such_option", ["ro", "rw"], "nonempty", ["max_background=1,congestion_threshold=2"]],
    )
    def test_nothing_is_mounted_when_an_option_is_wrong(self, mountpoint: Path, options: Any) -> None:
        with pytest.raises(ValueError, match=r"option|congestion"):
            lowlevel.Session(Few(), mountpoint, options)
        assert not is_mounted(mountpoint)

    def test_what_libfuse_lacks_is_refused_before_it_is_mounted(self, mountpoint: Path) -> None:
        if lowlevel.features()["request_timeout"].compiled:
            pytest.skip("this libfuse has request timeouts")
        with pytest.raises(lowlevel.UnsupportedFeatureError, match=r"request_timeout.*3\.18"):
            lowlevel.Session(Few(), mountpoint, SessionOptions(request_timeout=20))
        assert not is_mounted(mountpoint)

    def test_the_mount_has_what_was_asked_for(self, mountpoint: Path) -> None:
        options = SessionOptions(
            ro=True, fsname="some, name", subtype="few", max_read=8192, max_write=4096, max_background=7
        )
        with lowlevel.Session(Few(), mountpoint, options) as session:
            session.start()
            (mount,) = fuse_mounts(mountpoint)
            assert (mount.fs_type, mount.source) == ("fuse.few", "some, name")
            line = next(
                line for line in Path("/proc/mounts").read_text().splitlines() if str(mountpoint) in line
            )
            words = line.split()[3].split(",")
            assert "max_read=8192" in words
            assert {"ro", "nosuid", "nodev"} <= set(words)
            assert (mountpoint / "f").read_bytes() == b"data"
            assert session.connection.max_write == 4096
            control = Path(f"/sys/fs/fuse/connections/{mount.connection}/max_background")
            if control.exists():
                assert control.read_text() == "7\n"

    def test_reads_are_as_big_as_was_asked_for(self, mountpoint: Path) -> None:
        few = Few()
        sizes: list[int] = []

        def read(fh: int, off: int, size: int) -> bytes:
            sizes.append(size)
            return b"x" * size if off < 16384 else b""

        few.read = read  # type: ignore[method-assign]
        with lowlevel.Session(few, mountpoint, ["max_read=8192"]) as session:
            session.start()
            file = os.open(mountpoint / "f", os.O_RDONLY)
            try:
                os.read(file, 16384)
            finally:
                os.close(file)
        assert sizes == [8192, 8192]


@pytest.mark.parametrize("given", [None, 5, b"ro"])
def test_options_that_are_no_strings_are_refused_with_what_would_be_right(given: Any) -> None:
    with pytest.raises(TypeError, match=r"options are strings such as \['ro', 'fsname=x'\]"):
        SessionOptions.of(given)


@pytest.mark.parametrize(
    ("operations", "text"),
    [
        (Few, "not the class Few"),
        (None, "a subclass of lowlevel.Operations, not None"),
        (type("Bad", (Few,), {"read": None})(), "handler 'read' of Bad can not be called: it is None"),
    ],
)
def test_what_is_no_file_system_is_refused_before_anything_is_mounted(
    operations: Any, text: str, tmp_path: Path
) -> None:
    with pytest.raises(TypeError, match=text):
        lowlevel.Session(operations, tmp_path)
    assert not is_mounted(tmp_path)
