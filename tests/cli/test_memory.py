"""`fusetree memory`: an empty writable file system."""

from __future__ import annotations

import argparse
import os
import signal
from pathlib import Path

import pytest

from fusetree import cli
from fusetree.cli.memory import amount
from tests.support import is_mounted, server, shell


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("1", 1),
        ("512", 512),
        ("4K", 4096),
        ("4k", 4096),
        ("1.5M", 3 << 19),
        ("2GiB", 2 << 30),
        ("1tb", 1 << 40),
    ],
)
def test_amounts(text: str, number: int) -> None:
    assert amount(text) == number


@pytest.mark.parametrize("text", ["", "0", "-1", "K", "1X", "1e3", "0.1", "ten"])
def test_what_is_no_amount(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="no amount above zero"):
        amount(text)


def test_a_wrong_amount_is_said_by_the_command(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        cli.main(["memory", "--max-bytes", "none", "/mnt"])
    assert caught.value.code == 2
    assert "'none' is no amount above zero" in capfd.readouterr().err


@pytest.mark.mount
def test_it_is_written_and_read_until_it_is_full(mountpoint: Path) -> None:
    words = ["-m", "fusetree", "memory", "--max-bytes", "64K", "--max-inodes", "4"]
    with server(*words, mountpoint, mountpoint=mountpoint) as process:
        shell("mkdir d && echo hello > d/f && ln d/f g && cat g", cwd=mountpoint).ok()
        sizes = os.statvfs(mountpoint)
        assert (sizes.f_frsize * sizes.f_blocks, sizes.f_files) == (65536, 4)
        assert "No space left" in shell("head -c 65537 /dev/zero > d/f", cwd=mountpoint).error
        assert "No space left" in shell("touch a b c", cwd=mountpoint).error
        assert shell(f"grep {mountpoint} /proc/mounts").text.startswith("memory ")
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0
    assert not is_mounted(mountpoint)
