"""Generated content, read by real programs, which stop, seek and die."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.mount.conftest import Mounting
from tests.scenarios.test_generated import Numbers, expected
from tests.support import shell, wait_for

pytestmark = pytest.mark.mount


def test_programs_read_it_whole(mountpoint: Path, mounted: Mounting, tmp_path: Path) -> None:
    numbers = Numbers(300_000)
    mounted({"n": numbers})
    whole = expected(300_000)
    assert shell(f"cat {mountpoint}/n").ok().text == whole
    shell(f"cp {mountpoint}/n {tmp_path}/copy").ok()
    assert (tmp_path / "copy").read_text() == whole
    assert shell(f"wc -l < {mountpoint}/n").ok().text == "300000\n"
    assert shell(f"cat {mountpoint}/n | tail -n 1").ok().text == "299999\n"  # the newest tail trusts the size
    assert (mountpoint / "n").read_text() == whole
    wait_for(lambda: numbers.begun == numbers.ended, what="the ends of all")


def test_what_has_no_end_is_read_as_far_as_wanted(mountpoint: Path, mounted: Mounting) -> None:
    numbers = Numbers()
    mounted({"n": numbers})
    assert shell(f"head -n 3 {mountpoint}/n").ok().text == "0\n1\n2\n"
    assert shell(f"grep -m 1 99999 {mountpoint}/n").ok().text == "99999\n"
    assert shell(f"dd if={mountpoint}/n bs=1 skip=40 count=4 status=none").ok().text == "\n17\n"
    wait_for(lambda: numbers.begun == numbers.ended == 3, what="the ends of all")
    assert numbers.made < 1_000_000


def test_a_shell_reads_line_by_line(mountpoint: Path, mounted: Mounting) -> None:
    numbers = Numbers(1000)
    mounted({"n": numbers})
    done = shell("sum=0; while read -r x; do sum=$((sum + x)); done < n; echo $sum", cwd=mountpoint)
    assert done.ok().text == f"{sum(range(1000))}\n"
    assert numbers.begun == 1, "it steps back to the end of its line, and nothing begins anew"


def test_a_reader_that_is_killed_ends_it(mountpoint: Path, mounted: Mounting) -> None:
    numbers = Numbers()
    mounted({"n": numbers})
    with subprocess.Popen(["cat", mountpoint / "n"], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.read(4) == b"0\n1\n"
        process.kill()
    wait_for(lambda: numbers.ended == 1, what="the end of the generator")


def test_a_slow_one_is_seen_as_it_goes(mountpoint: Path, mounted: Mounting) -> None:
    go_on = threading.Semaphore(0)

    def slow() -> Iterator[str]:
        for number in range(3):
            assert go_on.acquire(timeout=20)
            threading.Event().wait(0.05)  # making it takes time
            yield f"{number}\n"

    mounted({"n": slow})
    with subprocess.Popen(["cat", mountpoint / "n"], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        for number in range(3):
            go_on.release()
            assert process.stdout.readline() == b"%d\n" % number
        assert process.wait(20) == 0
