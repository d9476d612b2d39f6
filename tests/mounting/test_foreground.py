"""run(): serves in the foreground, ends at a signal or when unmounted from outside, and leaves all as it
was.
"""

from __future__ import annotations

import os
import queue
import signal
import subprocess
import threading
from pathlib import Path

import pytest

from fusetree import run
from fusetree.errors import MountError
from fusetree.mounting.foreground import SIGNALS, caught_signals
from tests.support import in_thread, is_mounted, server, shell, until_mounted

SERVER = """
import signal, sys
import fusetree
before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)]
fusetree.run({"a": "1"}, sys.argv[1])
assert before == [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)]
print("after", flush=True)
"""


class TestCaughtSignals:
    def test_numbers_come_through_the_queue_and_handlers_come_back(self) -> None:
        before = [signal.getsignal(number) for number in SIGNALS]
        events: queue.SimpleQueue[int | None] = queue.SimpleQueue()
        with caught_signals(events):
            for number in SIGNALS:
                os.kill(os.getpid(), number)
                assert events.get(timeout=10) == number
        assert [signal.getsignal(number) for number in SIGNALS] == before

    def test_handlers_come_back_after_an_exception(self) -> None:
        before = [signal.getsignal(number) for number in SIGNALS]
        with pytest.raises(KeyError), caught_signals(queue.SimpleQueue()):
            raise KeyError
        assert [signal.getsignal(number) for number in SIGNALS] == before

    def test_ignored_signals_stay_ignored(self) -> None:
        previous = signal.signal(signal.SIGHUP, signal.SIG_IGN)
        try:
            with caught_signals(queue.SimpleQueue()):
                assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
        finally:
            signal.signal(signal.SIGHUP, previous)

    def test_elsewhere_than_in_the_main_thread_nothing_is_caught(self) -> None:
        before = signal.getsignal(signal.SIGTERM)

        def handler() -> object:
            with caught_signals(queue.SimpleQueue()):
                return signal.getsignal(signal.SIGTERM)

        assert in_thread(handler) == before


def test_errors_of_mounting_leave_the_handlers_alone(tmp_path: Path) -> None:
    before = [signal.getsignal(number) for number in SIGNALS]
    with pytest.raises(MountError):
        run({}, tmp_path / "gone")
    assert [signal.getsignal(number) for number in SIGNALS] == before


@pytest.mark.mount
class TestRun:
    @pytest.mark.parametrize("number", SIGNALS)
    def test_signal_unmounts_and_returns(self, mountpoint: Path, number: signal.Signals) -> None:
        with server("-c", SERVER, str(mountpoint), mountpoint=mountpoint, stdout=subprocess.PIPE) as process:
            assert shell("cat a", cwd=mountpoint).ok().text == "1"
            process.send_signal(number)
            out, _ = process.communicate(timeout=20)
            assert process.returncode == 0
            assert out == b"after\n"
            assert not is_mounted(mountpoint)

    def test_unmounted_from_outside_returns(self, mountpoint: Path) -> None:
        with server("-c", SERVER, str(mountpoint), mountpoint=mountpoint, stdout=subprocess.PIPE) as process:
            assert shell("cat a", cwd=mountpoint).ok().text == "1"
            shell(f"fusermount3 -u {mountpoint}").ok()
            out, _ = process.communicate(timeout=20)
            assert process.returncode == 0
            assert out == b"after\n"

    @pytest.mark.parametrize("attempt", range(5))
    def test_several_signals_at_once(self, mountpoint: Path, attempt: int) -> None:
        """The kernel gives some of them to other threads; the main thread must wake up all the same."""
        with server("-c", SERVER, str(mountpoint), mountpoint=mountpoint, stdout=subprocess.PIPE) as process:
            shell("cat a", cwd=mountpoint).ok()
            for number in (*SIGNALS, *SIGNALS):
                process.send_signal(number)
            process.communicate(timeout=20)
            assert not is_mounted(mountpoint)

    def test_the_signals_of_a_forked_child_are_its_own(self, mountpoint: Path) -> None:
        program = """
import os, signal, sys, threading
import fusetree

def fork():
    pid = os.fork()
    if pid == 0:
        os.kill(os.getpid(), signal.SIGTERM)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

fusetree.run({"fork": lambda: fork()}, sys.argv[1])
"""
        with server("-c", program, str(mountpoint), mountpoint=mountpoint) as process:
            assert shell("cat fork", cwd=mountpoint).ok().text == f"{-signal.SIGTERM}\n"
            assert shell("cat fork", cwd=mountpoint).ok().text == f"{-signal.SIGTERM}\n"
            assert process.poll() is None

    def test_in_another_thread_it_returns_when_unmounted(self, mountpoint: Path) -> None:
        thread = threading.Thread(target=run, args=({"a": "1"}, mountpoint), daemon=True)
        thread.start()
        until_mounted(mountpoint)
        assert shell("cat a", cwd=mountpoint).ok().text == "1"
        shell(f"fusermount3 -u {mountpoint}").ok()
        thread.join(20)
        assert not thread.is_alive()
