"""The scenarios of tests/scenarios/test_router.py with a shell and a kernel."""

from __future__ import annotations

import asyncio
import os
import subprocess
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
import trio

from fusetree import Dir, Router, mount
from tests.mount.conftest import Mounting
from tests.scenarios.coroutines import Gate
from tests.scenarios.test_router import Store
from tests.scenarios.test_router_rest import Notes
from tests.support import shell, wait_for

pytestmark = pytest.mark.mount


def test_a_shell_uses_a_router(mountpoint: Path, mounted: Mounting) -> None:
    store = Store()
    mounted(store.app)
    assert shell("find . | sort", cwd=mountpoint).ok().lines == [
        *(".", "./latest", "./status", "./users"),
        *("./users/ada", "./users/ada.json", "./users/ada/age"),
        *("./users/bea", "./users/bea.json", "./users/bea/age"),
    ]
    assert (
        shell("cat status users/ada.json users/bea/age latest", cwd=mountpoint).ok().text
        == "fine\n36\n1\n1\n"
    )
    assert "No such file" in shell("cat users/cem.json", cwd=mountpoint).error
    shell("echo 5 > users/cem.json; echo 37 > users/ada.json; rm users/bea.json", cwd=mountpoint).ok()
    assert store.users == {"ada": b"37\n", "cem": b"5\n"}
    shell("mv users/cem.json users/dan.json; cp users/dan.json users/eve.json", cwd=mountpoint).ok()
    assert store.users == {"ada": b"37\n", "dan": b"5\n", "eve": b"5\n"}
    assert "Permission denied" in shell("rm -f users/ada.json", cwd=mountpoint).error
    assert "Invalid argument" in shell("cp <(printf bad) users/ada.json", cwd=mountpoint).error
    assert "Invalid argument" in shell("touch users/x.txt", cwd=mountpoint).error
    assert os.readlink(mountpoint / "latest") == "users/eve.json"


def test_an_open_file_follows_its_name_and_outlives_it(mountpoint: Path, mounted: Mounting) -> None:
    store = Store()
    mounted(store.app)
    with (mountpoint / "users/bea.json").open("r+b", buffering=0) as file:
        (mountpoint / "users/bea.json").rename(mountpoint / "users/eve.json")
        assert (mountpoint / "users/eve.json").stat().st_ino == os.fstat(file.fileno()).st_ino
        file.write(b"9")
        os.fsync(file.fileno())
        assert store.users == {"ada": b"36\n", "eve": b"9\n"}
        (mountpoint / "users/eve.json").unlink()
        assert file.read() == b"\n"
    assert list(store.users) == ["ada"]


def test_a_router_below_a_directory(mountpoint: Path, mounted: Mounting) -> None:
    app = Router()
    app.file("/{n:int}/square")(lambda n: n * n)
    app.mount("/files", {"a": "b\n"})
    mounted(Dir({"api": {"v1": app}}))
    assert shell("cat 7/square files/a && ls", cwd=mountpoint / "api/v1").ok().text == "49\nb\nfiles\n"


@pytest.mark.no_rings  # the kernel can not take back what waits there
@pytest.mark.parametrize("backend", ["threads", "asyncio", "trio"])
def test_two_hundred_readers_wait_and_those_that_die_are_cancelled(mountpoint: Path, backend: str) -> None:
    gate = Gate()
    app = Router()

    @app.file("/slow/{n:int}")
    async def slow(n: int) -> int:
        await gate.passing()
        return n

    def use() -> None:
        readers = [
            subprocess.Popen(["cat", mountpoint / f"slow/{number}"], stdout=subprocess.PIPE)
            for number in range(200)
        ]
        wait_for(lambda: gate.came == 200, timeout=30)
        assert shell(f"cat {mountpoint}/quick").ok().text == "quick\n"  # nobody waits behind them
        for reader in readers[::2]:
            reader.kill()
        wait_for(lambda: gate.cancelled == 100, timeout=30)
        gate.open()
        for number, reader in enumerate(readers):
            out, _ = reader.communicate(timeout=30)
            assert out == (b"" if number % 2 == 0 else b"%d\n" % number)
        assert gate.cancelled == 100

    app.file("/quick")(lambda: "quick")
    if backend == "threads":
        with mount(app, mountpoint):
            use()
        return

    async def serving(in_thread: Callable[[Callable[[], None]], Awaitable[None]]) -> None:
        async with mount(app, mountpoint):
            await in_thread(use)

    if backend == "asyncio":
        asyncio.run(serving(asyncio.to_thread))
    else:
        trio.run(serving, trio.to_thread.run_sync)


@pytest.mark.parametrize("ttl", [0.0, 1000.0])
@pytest.mark.parametrize("waits", [False, True])
def test_a_shell_changes_names_below_a_path(
    mountpoint: Path, mounted: Mounting, waits: bool, ttl: float
) -> None:
    notes = Notes(waits=waits, ttl=ttl)
    mounted(notes.app)
    shell(
        """
        echo 1 > ada/work/deep/new && mkdir -p ada/a/b && echo 2 > ada/a/b/c
        exec 3<> ada/work/deep/plan && mv ada/work bea/job && echo D >&3 && exec 3>&-
        mv ada/todo bea/todo && mv ada/a bea/a && mv bea/job/deep bea/shallow
        """,
        cwd=mountpoint,
    ).ok()
    assert notes.notes == {
        "ada": {},
        "bea": {
            "todo": "sleep\n",
            "a/b/c": "2\n",
            "job/monday": "meet\n",
            "shallow/new": "1\n",
            "shallow/plan": "D\ng\n",
        },
    }
    assert shell("find . -type f | sort && find ada", cwd=mountpoint).ok().lines == [
        *("./bea/a/b/c", "./bea/job/monday", "./bea/shallow/new", "./bea/shallow/plan", "./bea/todo", "ada")
    ]
    # The one was made, the other is there only for what is below it.
    shell("cp -r bea/a bea/b && diff -r bea/a bea/b && rm -r bea/a bea/shallow bea/job", cwd=mountpoint).ok()
    assert shell("ls bea && cat bea/b/b/c", cwd=mountpoint).ok().lines == ["b", "todo", "2"]
    assert "No such file" in shell("cat bea/shallow/plan", cwd=mountpoint).error
    assert notes.made == {("bea", "b"), ("bea", "b/b")}
