"""The modules themselves: what importing does, calls before init, the lock, options, the command."""

from __future__ import annotations

import copy
import errno
import os
import pickle
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fusetree.compat import llfuse, pyfuse3
from fusetree.compat._lock import Lock
from fusetree.compat._options import accepted
from fusetree.testing import wait_until
from tests.support import in_thread, python

BEFORE_INIT: list[Callable[[], Any]] = [
    llfuse.main,
    llfuse.close,
    lambda: llfuse.main(workers=0),
    lambda: llfuse.invalidate_inode(2),
    lambda: llfuse.invalidate_entry(1, b"a"),
    lambda: llfuse.notify_store(2, 0, b""),
    lambda: pyfuse3.main().send(None),
    pyfuse3.close,
    pyfuse3.terminate,
    lambda: pyfuse3.invalidate_inode(2),
    lambda: pyfuse3.invalidate_entry(1, b"a"),
    lambda: pyfuse3.invalidate_entry_async(1, b"a"),
    lambda: pyfuse3.notify_store(2, 0, b""),
]


@pytest.mark.parametrize("call", BEFORE_INIT)
def test_calls_before_init_say_so(call: Callable[[], Any]) -> None:
    with pytest.raises(RuntimeError, match=r"Need to call init\(\) before"):
        call()


@pytest.mark.parametrize("name", ["llfuse", "pyfuse3", "pyfuse3.asyncio", "pyfuse3_asyncio", "_pyfuse3"])
def test_importing_does_nothing_else(name: str) -> None:
    program = (
        f"import sys, threading, {name}\n"
        "assert threading.active_count() == 1 and 'trio' not in sys.modules\n"
        f"print(sys.modules[{name!r}].__name__.startswith('fusetree.compat.'))"
    )
    path = python("-m", "fusetree.compat", "--path").ok().text.strip()
    done = python("-W", "error", "-c", program, env={"PYTHONPATH": path}).ok()
    assert (done.text, done.error) == ("True\n", "")


def test_both_names_are_one_module() -> None:
    path = python("-m", "fusetree.compat", "--path").ok().text.strip()
    program = (
        "import pyfuse3.asyncio\n"
        "import fusetree.compat.pyfuse3 as ours, fusetree.compat.pyfuse3.asyncio as ours_asyncio\n"
        "assert pyfuse3 is ours and pyfuse3.asyncio is ours_asyncio\n"
        "pyfuse3.asyncio.enable(); assert pyfuse3.trio is ours_asyncio; pyfuse3.asyncio.disable()\n"
        "import trio; assert pyfuse3.trio is trio\n"
        "import copy, pickle; a = pyfuse3.EntryAttributes(); a.st_ino = 7\n"
        "assert pickle.loads(pickle.dumps(a)).st_ino == copy.copy(a).st_ino == 7\n"
    )
    pytest.importorskip("trio")
    python("-c", program, env={"PYTHONPATH": path}).ok()


def test_the_command_runs_a_script_and_its_children_on_ours(tmp_path: Path) -> None:
    (tmp_path / "beside.py").write_text("VALUE = 3\n")
    script = tmp_path / "script.py"
    script.write_text(
        "import sys, subprocess, beside, llfuse\n"
        "ours = llfuse.__file__.endswith('compat/llfuse.py')\n"
        "print(__name__, sys.argv[1:], beside.VALUE, ours, flush=True)\n"
        "subprocess.run([sys.executable, '-c', 'import pyfuse3; print(pyfuse3.__spec__.name)'], check=True)\n"
    )
    done = python("-m", "fusetree.compat", "llfuse", script, "-x", "y").ok()
    assert done.lines == ["__main__ ['-x', 'y'] 3 True", "fusetree.compat.pyfuse3"]
    done = python("-m", "fusetree.compat", "llfuse", "-m", "script", "z", cwd=tmp_path).ok()
    assert done.lines[0] == "__main__ ['z'] 3 True"


@pytest.mark.parametrize("arguments", [[], ["other", "x"], ["llfuse"], ["llfuse", "-m"]])
def test_the_command_says_how_it_is_used(arguments: list[str]) -> None:
    done = python("-m", "fusetree.compat", *arguments)
    assert (done.status, done.text) == (2, "")
    assert done.error.startswith("usage: ")


def test_options_of_libfuse2_are_dropped() -> None:
    assert accepted(llfuse.default_options) == ["default_permissions"]
    assert accepted({"nonempty", "fsname=a", "ro,big_writes"}) == ["fsname=a", "ro"]
    assert accepted(["fsname=a\\,b"]) == ["fsname=a\\,b"]


@pytest.mark.parametrize("module", [llfuse, pyfuse3])
def test_what_init_refuses(module: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(TypeError, match="mountpoint"):
        module.init(module.Operations(), b"/mnt")
    texts = {llfuse: "fuse_lowlevel_new() failed", pyfuse3: "fuse_session_new() failed"}
    with pytest.raises(RuntimeError) as caught:
        module.init(module.Operations(), str(tmp_path), {"no_such_option"})
    assert str(caught.value) == texts[module]
    assert "no_such_option" in caplog.text
    texts = {llfuse: "fuse_mount failed", pyfuse3: "fuse_session_mount failed"}
    with pytest.raises(RuntimeError) as caught:
        module.init(module.Operations(), str(tmp_path / "nowhere"))
    assert str(caught.value) == texts[module]


# ---- the lock


@pytest.fixture
def lock() -> Lock:
    return Lock._make()


def test_the_lock_has_an_owner(lock: Lock) -> None:
    assert lock.acquire()
    with pytest.raises(RuntimeError, match="more than once"):
        lock.acquire()
    with pytest.raises(RuntimeError, match="holding thread"):
        in_thread(lock.release)
    assert in_thread(lambda: lock.acquire(timeout=0)) is False
    assert in_thread(lambda: lock.acquire(timeout=0.01)) is False
    lock.release()
    with pytest.raises(RuntimeError, match="holding thread"):
        lock.release()
    with lock:
        pass
    assert in_thread(lambda: lock.acquire(timeout=1)) is True


def test_whoever_yields_lets_another_in(lock: Lock) -> None:
    order: list[str] = []
    lock.acquire()
    lock.yield_()  # nobody waits
    threads = []
    for name in ("first", "second"):

        def body(name: str = name) -> None:
            with lock:
                order.append(name)

        threads.append(threading.Thread(target=body))
        threads[-1].start()
        wait_until(lambda: len(lock._waiters) == len(threads), lambda: "nobody waits")
    lock.yield_()
    order.append("here")
    lock.yield_(count=2)
    order.append("here again")
    lock.release()
    for thread in threads:
        thread.join()
    assert order[0] == "first"
    assert set(order[:2]) <= {"first", "second"}
    assert order[-1] == "here again"


def test_locks_are_neither_made_nor_copied() -> None:
    for cls in (llfuse.Lock, llfuse.NoLockManager):
        with pytest.raises(TypeError):
            cls()
    for thing in (llfuse.lock, llfuse.lock_released, llfuse.RequestContext(), llfuse.SetattrFields()):
        with pytest.raises(pickle.PicklingError):
            copy.copy(thing)
        with pytest.raises(pickle.PicklingError):
            pickle.dumps(thing)


def _take_and_release() -> None:
    assert llfuse.lock.acquire(timeout=1)
    llfuse.lock.release()


def test_lock_released_takes_it_again() -> None:
    with llfuse.lock:
        with llfuse.lock_released:
            in_thread(_take_and_release)
        with pytest.raises(RuntimeError):
            llfuse.lock.acquire()


# ---- values and the host


def test_the_error_is_no_oserror() -> None:
    for module in (llfuse, pyfuse3):
        error = module.FUSEError(errno.ENOENT)
        assert not isinstance(error, OSError)
        assert (error.errno, error.errno_, error.args, str(error)) == (2, 2, (2,), os.strerror(2))
        assert copy.copy(error).errno == pickle.loads(pickle.dumps(error)).errno == 2


def test_functions_about_the_host(tmp_path: Path) -> None:
    (tmp_path / "a").touch()
    assert pyfuse3.listdir(str(tmp_path)) == ["a"]
    assert pyfuse3.get_sup_groups(os.getpid()) == set(os.getgroups())
    assert pyfuse3.syncfs(str(tmp_path)) is None  # type: ignore[func-returns-value]
    assert (llfuse.get_ino_t_bits(), llfuse.get_off_t_bits()) == (64, 64)
    for wrong in (b"/", None):
        with pytest.raises(TypeError):
            pyfuse3.listdir(wrong)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="namespace"):
        pyfuse3.getxattr("/", "user.a", namespace="other")  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        pyfuse3.setxattr("/", "user.a", "text")  # type: ignore[arg-type]
