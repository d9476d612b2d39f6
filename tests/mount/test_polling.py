"""Programs that wait with poll, select and epoll until an entry changes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.mount.conftest import Mounting
from tests.scenarios.test_polling import Gauge, change
from tests.support import PYTHON

pytestmark = pytest.mark.mount

WAITER = """if True:
    import os, select, sys
    path, how, times = sys.argv[1], sys.argv[2], int(sys.argv[3])
    fd = os.open(path, os.O_RDONLY)
    if how == "epoll":
        poller = select.epoll()
        poller.register(fd, select.EPOLLPRI | select.EPOLLET)
        poller.poll(0)
        wait = lambda: poller.poll(20)
    elif how == "poll":
        poller = select.poll()
        poller.register(fd, select.POLLPRI)
        wait = lambda: poller.poll(20_000)
    else:
        wait = lambda: select.select([], [], [fd], 20)[2]
    print(os.pread(fd, 100, 0), flush=True)
    for _ in range(times):
        assert wait(), "nothing came"
        print(os.pread(fd, 100, 0), flush=True)
    """


@pytest.mark.parametrize("how", ["poll", "select", "epoll"])
@pytest.mark.parametrize("name", ["level", "tags.json", "shown"])
def test_a_change_wakes_who_waits(mountpoint: Path, mounted: Mounting, how: str, name: str) -> None:
    gauge = Gauge()
    mounted(gauge)
    command = [PYTHON, "-c", WAITER, str(mountpoint / name), how, "3"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=sys.stderr) as process:
        assert process.stdout is not None
        seen = {process.stdout.readline()}
        for _ in range(3):
            change(gauge, name)
            seen.add(process.stdout.readline())
        assert process.wait(20) == 0
        assert len(seen) == 4, "each wake-up shows another value"
        assert str(gauge.level).encode() in process.stdout.read() + b"".join(seen)


def test_a_value_that_is_read_after_each_wake_is_never_an_old_one_for_good(
    mountpoint: Path, mounted: Mounting
) -> None:
    """Changes come faster than they are read: some are missed, the last one never."""
    gauge = Gauge()
    mounted(gauge)
    program = """if True:
        import os, select, sys
        fd = os.open(sys.argv[1], os.O_RDONLY)
        poller = select.poll()
        poller.register(fd, select.POLLPRI)
        print("ready", flush=True)
        while os.pread(fd, 100, 0) != b"3000\\n":
            assert poller.poll(20_000), os.pread(fd, 100, 0)
        """
    command = [PYTHON, "-c", program, str(mountpoint / "level")]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        for number in range(2, 3001):
            gauge.level = number
        assert process.wait(30) == 0
