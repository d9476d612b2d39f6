"""Unmodified programs on the drop-ins, as processes of their own, at real mounts."""

from __future__ import annotations

import errno
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.compat.running import HUP, INT, TERM, Ending, by_itself, client, ours, run, signalled, unmounted
from tests.support import raises_errno, shell

pytestmark = pytest.mark.mount

NAMES = ["llfuse", "pyfuse3", "pyfuse3 --asyncio"]


def program(name: str) -> tuple[list[str], str, list[str]]:
    """How to run the program for *name*: command, file, arguments."""
    module, *arguments = name.split()
    return ours(module), f"{module}_memory.py", arguments


@pytest.fixture(params=NAMES)
def memory(request: pytest.FixtureRequest) -> tuple[list[str], str, list[str]]:
    return program(request.param)


def test_what_a_client_sees(memory: tuple[list[str], str, list[str]], mountpoint: Path) -> None:
    command, file, arguments = memory
    outcome = run(command, file, *arguments, mountpoint=mountpoint)
    seen = outcome.seen
    assert seen["content"][0] == ["hello", seen["content"][0][1]]
    assert seen["content"][1:3] == ["hello world", "short"]
    assert seen["large"] == [True, [True, "b''"]]
    assert seen["opening"][4] == ["abc", 0, "ENOENT"]
    assert seen["listings"][0] is True
    assert seen["listings"][3] == []
    assert seen["xattrs"][2:4] == ["EEXIST", "ENODATA"]
    assert not [entry for entries in seen.values() for entry in entries if "Traceback" in str(entry)]
    assert outcome.report["violations"] == []
    assert outcome.report["open"] == 0
    assert outcome.report["main"] in ("returned None", "returned")
    # Written data are bytes; which handlers were called, and how, is compared with the originals elsewhere.
    assert outcome.report["calls"]["write"] == ["int int bytes"]
    assert outcome.errors == ""


def test_renames_of_llfuse_know_no_flags(mountpoint: Path) -> None:
    command, file, _ = program("llfuse")
    seen = run(command, file, mountpoint=mountpoint, use=lambda m: client(m, "renaming")).seen
    assert seen["renaming"][3] == ["EEXIST", "EINVAL", "EINVAL"] or seen["renaming"][3][1] == "EINVAL"


def test_readdir_raises_counts_in_pyfuse3_only(mountpoint: Path) -> None:
    # The programs keep counts of their own, and tell when one falls below zero or a listing did not count.
    for name in NAMES:
        command, file, arguments = program(name)
        outcome = run(command, file, *arguments, mountpoint=mountpoint, use=_list_and_drop)
        assert outcome.report["violations"] == []


def _list_and_drop(mountpoint: Path) -> dict[str, Any]:
    for number in range(50):
        (mountpoint / f"f{number}").touch()
    for _ in range(3):
        assert len(os.listdir(mountpoint)) == 50
        for number in range(0, 50, 10):
            (mountpoint / f"f{number}").unlink()
            (mountpoint / f"f{number}").touch()
    return {}


def test_what_is_not_defined_is_not_there(memory: tuple[list[str], str, list[str]], mountpoint: Path) -> None:
    command, file, arguments = memory

    def use(mounted: Path) -> dict[str, Any]:
        with raises_errno(errno.ENOSYS):
            os.statvfs(mounted)
        with raises_errno(errno.ENOSYS):
            (mounted / "d").mkdir()
        with raises_errno(errno.ENOSYS):
            os.listdir(mounted)
        with raises_errno(errno.EOPNOTSUPP):
            os.setxattr(mounted, "user.a", b"")
        os.setxattr(mounted, "fuse_stacktrace", b"")
        return {}

    report = run(command, file, *arguments, "--bare", mountpoint=mountpoint, use=use).report
    assert [event for event in report["events"] if "stacktrace" in event] in (
        ["stacktrace"],
        ["stacktrace False"],
    )


def test_every_handler_of_llfuse_has_the_lock(mountpoint: Path) -> None:
    command, file, _ = program("llfuse")
    report = run(command, file, mountpoint=mountpoint).report
    assert report["violations"] == []
    assert report["events"] == ["init True", "destroy True"]


@pytest.mark.parametrize("workers", ["1", "4", None])
@pytest.mark.parametrize(
    ("end", "told"),
    [(unmounted, None), (signalled(TERM), 15), (signalled(INT), 2), (signalled(HUP), 1)],
    ids=["umount", "TERM", "INT", "HUP"],
)
def test_main_of_llfuse_returns_the_signal(
    mountpoint: Path, workers: str | None, end: Ending, told: int | None
) -> None:
    command, file, _ = program("llfuse")
    arguments = [] if workers is None else ["--workers", workers]
    report = run(command, file, *arguments, mountpoint=mountpoint, use=_look, end=end).report
    assert report["main"] == f"returned {told}"
    assert report["main thread"] == [workers == "1"]


def _look(mountpoint: Path) -> dict[str, Any]:
    assert not (mountpoint / "nothing").exists()
    return {}


@pytest.mark.parametrize("name", NAMES[1:])
def test_terminate_ends_main_of_pyfuse3(mountpoint: Path, name: str) -> None:
    command, file, arguments = program(name)
    report = run(command, file, *arguments, mountpoint=mountpoint, use=_look, end=signalled(TERM)).report
    assert report["main"] == "returned"
    assert report["token"] == "None"


@pytest.mark.parametrize(
    ("bug", "raised"),
    [("bug-oserror", "FileNotFoundError"), ("bug-value", "ValueError"), ("bug-none", "TypeError")],
)
def test_a_mistake_is_answered_and_ends_main(
    memory: tuple[list[str], str, list[str]], mountpoint: Path, bug: str, raised: str
) -> None:
    command, file, arguments = memory

    def use(mounted: Path) -> dict[str, Any]:
        with raises_errno(errno.EIO):
            os.stat(mounted / bug)
        return {}

    report = run(command, file, *arguments, mountpoint=mountpoint, use=use, end=by_itself).report
    assert report["main"].startswith("raised ")
    assert report["main"].split()[-1] == raised


def test_a_program_may_go_into_the_background(
    memory: tuple[list[str], str, list[str]], mountpoint: Path
) -> None:
    command, file, arguments = memory
    outcome = run(
        command, file, *arguments, "--background", mountpoint=mountpoint, use=lambda m: client(m, "content")
    )
    assert outcome.seen["content"][1] == "hello world"
    assert outcome.report["main"] in ("returned None", "returned")


def test_close_may_leave_the_dead_mount(memory: tuple[list[str], str, list[str]], mountpoint: Path) -> None:
    command, file, arguments = memory
    seen: list[int] = []

    def end(process: subprocess.Popen[bytes], mounted: Path) -> None:
        process.send_signal(TERM)
        process.wait(20)
        try:
            os.listdir(mounted)
        except OSError as error:
            seen.append(error.errno or 0)

    run(command, file, *arguments, "--keep", mountpoint=mountpoint, use=_look, end=end)
    assert seen == [errno.ENOTCONN]


def test_ordinary_tools(memory: tuple[list[str], str, list[str]], mountpoint: Path) -> None:
    command, file, arguments = memory

    def use(mounted: Path) -> dict[str, Any]:
        shell(
            "mkdir src && for i in 1 2 3; do echo line $i > src/$i; done"
            " && cp -a src copy && diff -r src copy && mv copy moved && tar cf t.tar src && mkdir out"
            " && tar xf t.tar -C out && diff -r src out/src && cat src/* | wc -l && rm -r moved out t.tar",
            cwd=mounted,
        ).ok()
        return {}

    assert run(command, file, *arguments, mountpoint=mountpoint, use=use).report["violations"] == []
