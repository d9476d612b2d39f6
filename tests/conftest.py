"""Fixtures and rules of every ring: mountpoints, what needs /dev/fuse or root, the end of tests that hang.

* All temporary files of a run lie in one folder (TMPDIR points there, also for child processes), so what is
  mounted below it is ours. At the end of a test, and of the run, a mount left there is an error, and is
  taken away.
* `mount` tests are skipped where /dev/fuse cannot be opened, and the last lines say so loudly; with CI=true
  they fail instead. `root` tests are left out for other users, also loudly.
* A test that takes longer than its time limit is ended by pytest-timeout's signal. A thread that hangs in
  the mount of its own process gets no signal, so five seconds later the watchdog shows all stacks and
  aborts the connections; if the interpreter itself is stuck, faulthandler ends the process half a minute
  later.
* With FUSETREE_TEST_RINGS=all every session of a mount in this process asks for requests over rings
  (io_uring) unless the test says otherwise or an event loop serves, so the same tests test those.
* Signals that the run got handed on ignored, as in `nohup make test &`, are heeded again: programs leave an
  ignored signal ignored, and those under test are ended by signals.
"""

from __future__ import annotations

import atexit
import faulthandler
import gc
import os
import shutil
import signal
import sys
import tempfile
import threading
import warnings
from collections.abc import Generator, Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import attrs
import pytest

from fusetree.errors import UnsupportedFeatureError
from fusetree.lowlevel import Session, SessionOptions
from fusetree.testing import Client
from tools.fusectl import abort, clear, detach, fuse_mounts

PATIENCE = 5.0  # seconds that the time limit's signal has before the watchdog acts
LAST_RESORT = 30.0  # seconds after that, until a stuck interpreter is ended

_folder = pytest.StashKey[Path]()
_loud = pytest.StashKey[list[str]]()
_failed = pytest.StashKey[bool]()
_failing = pytest.StashKey[str]()  # of a test: why it fails without being run
_terminal = pytest.StashKey[int]()  # stderr as it was before it was captured


def pytest_configure(config: pytest.Config) -> None:
    """Give the run its temporary folder, before anything asks for one; heed signals."""
    folder = Path(tempfile.mkdtemp(prefix="ft-")).resolve()
    folder.chmod(0o755)
    os.environ["TMPDIR"] = tempfile.tempdir = str(folder)
    config.stash[_folder] = folder
    config.stash[_loud] = []
    config.stash[_terminal] = os.dup(2)
    # First come, last served: others, multiprocessing among them, tidy up what they have there before.
    atexit.register(_remove, folder, os.getpid())
    if os.environ.get("FUSETREE_TEST_RINGS") == "all":
        _ask_for_rings()
    for number, handler in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, _survive)):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, handler)


_no_rings: list[pytest.Item] = []  # the test that runs, if it is marked so


@pytest.fixture(autouse=True)
def _without_rings(request: pytest.FixtureRequest) -> Iterator[None]:
    parameters = getattr(request.node, "callspec", None)
    by_loop = parameters is not None and not {"asyncio", "trio"}.isdisjoint(
        map(str, parameters.params.values())
    )
    if by_loop or request.node.get_closest_marker("no_rings"):
        _no_rings.append(request.node)
    yield
    _no_rings.clear()


def _ask_for_rings() -> None:
    plain = Session.__init__

    def asking(
        self: Session, operations: Any, mountpoint: Any = None, options: Any = (), **more: Any
    ) -> None:
        chosen = SessionOptions.of(options)
        if mountpoint is not None and chosen.io_uring is None and not _no_rings:
            chosen = attrs.evolve(chosen, io_uring="auto")
        plain(self, operations, mountpoint, chosen, **more)

    Session.__init__ = asking  # type: ignore[method-assign]


def _survive(number: int, frame: FrameType | None) -> None:
    """Do nothing: not the same as SIG_IGN, which programs that are started here would inherit."""


def _remove(folder: Path, owner: int) -> None:
    """Remove the temporary folder of the run, after what may be mounted there; nothing in a forked child."""
    if os.getpid() != owner:
        return
    clear(folder)
    if not fuse_mounts(folder):  # else removing would delete what is mounted
        shutil.rmtree(folder, ignore_errors=True)


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Remember how the run ended, for pytest_unconfigure."""
    session.config.stash[_failed] = exitstatus != 0


def pytest_unconfigure(config: pytest.Config) -> None:
    """Let pytest's closing line be the last one."""
    if config.stash.get(_failed, False):
        # The traceback of a failed test keeps what the test had open. That it was not closed is no further
        # error, and would be reported below.
        warnings.simplefilter("ignore", pytest.PytestUnraisableExceptionWarning)
    os.close(config.stash[_terminal])


# --------------------------------------------------------------- what this machine cannot run


def why_no_mounts() -> str | None:
    """Why nothing can be mounted here; None if it can."""
    try:
        os.close(os.open("/dev/fuse", os.O_RDWR | os.O_CLOEXEC))
    except OSError as error:
        return f"/dev/fuse: {error.strerror}"
    if os.geteuid() != 0 and shutil.which("fusermount3") is None:
        return "there is no fusermount3"
    return None


def _skipped_without_descriptors(item: pytest.Item) -> Generator[None, object, object]:
    """Some libfuse are built without sessions on a descriptor, which all tests without a mount need."""
    try:
        return (yield)
    except UnsupportedFeatureError as error:
        if error.feature != "custom_io" or os.environ.get("CI") == "true":
            raise
        reason = str(error)
    words = f"tests without a mount were SKIPPED: {reason}"
    if words not in item.config.stash[_loud]:
        item.config.stash[_loud].append(words)
    with warnings.catch_warnings():
        # What the test had open by then is closed here; it did not come to that by itself.
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()
    pytest.skip(reason)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup(item: pytest.Item) -> Generator[None, object, object]:
    """Fail what was found out to fail before it began; fixtures make clients, too."""
    if _failing in item.stash:
        pytest.fail(item.stash[_failing], pytrace=False)
    return (yield from _skipped_without_descriptors(item))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """See above."""
    return (yield from _skipped_without_descriptors(item))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Skip, or in CI fail, what needs /dev/fuse where there is none; leave out what needs root."""
    loud = config.stash[_loud]
    needing_root = [item for item in items if item.get_closest_marker("root")]
    if needing_root and os.geteuid() != 0:
        config.hook.pytest_deselected(items=needing_root)
        items[:] = [item for item in items if item not in needing_root]
        loud.append(f"{len(needing_root)} tests need root and were LEFT OUT")

    mounting = [item for item in items if item.get_closest_marker("mount")]
    reason = why_no_mounts() if mounting else None
    if reason is None:
        return
    if os.environ.get("CI") == "true":
        loud.append(f"{len(mounting)} tests of real mounts FAILED: {reason}, and CI must have it")
        for item in mounting:
            item.stash[_failing] = f"{reason}; where CI=true this is no reason to skip"
    else:
        loud.append(f"{len(mounting)} tests of real mounts were SKIPPED: {reason}")
        for item in mounting:
            item.add_marker(pytest.mark.skip(reason=reason))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Say loudly what was not run."""
    for line in config.stash[_loud]:
        terminalreporter.write_sep("!", line, red=True, bold=True)


# --------------------------------------------------------------- fixtures


@pytest.fixture
def mountpoint(request: pytest.FixtureRequest) -> Iterator[Path]:
    """An empty folder that everybody may enter; a mount that the test leaves there is taken away, and an
    error.
    """
    folder = Path(tempfile.mkdtemp(prefix="mnt-"))
    folder.chmod(0o755)
    yield folder
    left = [mount.mountpoint for mount in clear(folder)]
    if not fuse_mounts(folder):
        shutil.rmtree(folder, ignore_errors=True)
    if left:
        pytest.fail(f"{request.node.name} left mounted: {', '.join(left)}")


@pytest.fixture
def descriptors() -> None:
    """For tests whose sessions on a descriptor are in another process, or whose errors are caught: they are
    left out with the others where libfuse has none.
    """
    Client({}).close()


# --------------------------------------------------------------- tests that hang


def _limit(item: pytest.Item) -> float:
    """The time limit of *item* in seconds as pytest-timeout takes it; 0 for none."""
    marker = item.get_closest_marker("timeout")
    if marker is not None:
        return float(marker.kwargs.get("timeout", marker.args[0] if marker.args else 0))
    option = item.config.getoption("timeout")
    return float(option if option is not None else item.config.getini("timeout") or 0)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Watch over the test: set-up, call and tear-down have each their time limit."""
    limit = _limit(item)
    if not limit or item.config.getoption("usepdb"):
        return (yield)
    folder, terminal = item.config.stash[_folder], item.config.stash[_terminal]

    def bark() -> None:
        os.write(terminal, f"\n!! {item.nodeid} hangs; aborting its mounts\n".encode())
        faulthandler.dump_traceback(file=terminal, all_threads=True)
        for mount in reversed(fuse_mounts(folder)):
            abort(mount)
            detach(mount.mountpoint)

    watchdog = threading.Timer(limit + PATIENCE, bark)
    watchdog.daemon = True
    watchdog.name = "watchdog"
    watchdog.start()
    faulthandler.dump_traceback_later(limit + PATIENCE + LAST_RESORT, exit=True, file=terminal)
    try:
        return (yield)
    finally:
        faulthandler.cancel_dump_traceback_later()
        watchdog.cancel()
        watchdog.join(PATIENCE)


if sys.gettrace() is None:
    faulthandler.enable()
