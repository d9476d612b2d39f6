"""`fusetree stats`: what a mount tells of its work, and that it costs nothing while nobody asks."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path
from typing import Any

import pytest

from fusetree import Dir, MemoryDir, cli, mount
from fusetree.cli.stats import table_of
from fusetree.observe import STATISTICS_XATTR
from tests.support import server, shell, wait_for

SERVE = ("-m", "fusetree", "memory")


def document(**handled: tuple[int, int, float, list[int]]) -> dict[str, Any]:
    names = ("count", "errors", "seconds", "buckets")
    return {
        "handled": {name: dict(zip(names, facts, strict=True)) for name, facts in handled.items()},
        "answered_in_c": {"getattr": 100},
    }


def test_the_table_shows_what_is_new() -> None:
    before = document(read=(10, 1, 1.0, [10, 0, 0, 0]))
    after = document(read=(30, 3, 1.2, [10, 0, 18, 2]), open=(4, 0, 0.008, [0, 4, 0, 0]))
    after["answered_in_c"] = {"getattr": 300}
    lines = [line.split() for line in table_of(before, after, 2.0).splitlines()]
    assert lines[1:] == [
        ["getattr", "100", "0"],
        ["open", "0", "2", "0", "2", "ms", "2", "ns", "2", "ns"],
        ["read", "0", "10", "1", "10", "ms", "4", "ns", "8", "ns"],
    ]
    assert table_of(after, after, 1.0) == "nothing was asked for"


@pytest.mark.parametrize("text", ["0", "-1", "51", "soon"])
def test_wrong_seconds(text: str, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["stats", "-s", text, "/mnt"])
    assert "no number of seconds" in capfd.readouterr().err


def test_where_there_is_none(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["stats", str(tmp_path)]) == 1
    assert "nothing is mounted there" in capfd.readouterr().err
    assert cli.main(["stats", "/proc"]) == 1
    assert "no tree of fusetree" in capfd.readouterr().err


@pytest.mark.mount
class TestMounted:
    def test_what_was_asked_for_is_shown(self, mountpoint: Path, capfd: pytest.CaptureFixture[str]) -> None:
        with server(*SERVE, mountpoint, mountpoint=mountpoint) as process:
            assert cli.main(["stats", "--json", str(mountpoint)]) == 0
            told = json.loads(capfd.readouterr().out)
            assert told["pid"] == process.pid
            assert told["timing"] is True
            assert told["table"]["entries"] >= 1
            shell("echo hello > f; cat f; cat none; chmod 600 f; mkdir f", cwd=mountpoint)
            assert cli.main(["stats", "--json", str(mountpoint)]) == 0
            handled = json.loads(capfd.readouterr().out)["handled"]
            for name in ("create", "write", "setattr"):
                assert handled[name]["count"] == sum(handled[name]["buckets"]) == 1, name
                assert 0 < handled[name]["longest"] == handled[name]["seconds"] < 5
            assert cli.main(["stats", "-s", "0.01", str(mountpoint)]) == 0
            assert "getxattr" in capfd.readouterr().out

    def test_a_dead_server(self, mountpoint: Path, capfd: pytest.CaptureFixture[str]) -> None:
        with server(*SERVE, mountpoint, mountpoint=mountpoint) as process:
            process.kill()
            process.wait(20)
            assert cli.main(["stats", str(mountpoint)]) == 1
            assert "not connected" in capfd.readouterr().err

    def test_nothing_is_timed_while_nobody_asks(self, mountpoint: Path) -> None:
        with mount(MemoryDir(), mountpoint) as mounted:
            (mountpoint / "f").write_text("x")
            told = mounted.session.statistics()
            assert not told.timing
            assert told.handled == {}
            mounted.session.statistics(keep_timing=60.0)
            (mountpoint / "f").write_text("y")
            assert mounted.session.statistics().handled["write"].count == 1

    def test_it_is_timed_no_more_when_nobody_has_asked_for_long(self, mountpoint: Path) -> None:
        with mount(MemoryDir(), mountpoint) as mounted:
            mounted.session.statistics(keep_timing=1e-6)
            (mountpoint / "f").write_text("x")
            assert not mounted.session.statistics().timing
            counted = mounted.session.statistics().handled
            (mountpoint / "g").write_text("y")
            assert mounted.session.statistics().handled == counted

    def test_errors_and_what_c_answers_are_counted_by_operation(self, mountpoint: Path) -> None:
        def broken() -> str:
            raise PermissionError

        with mount(Dir({"d": {"f": "text"}, "broken": broken}), mountpoint) as mounted:
            mounted.session.statistics(keep_timing=60.0)
            shell("cat d/f; cat d/f; cat broken; ls d", cwd=mountpoint)
            told = mounted.session.statistics()
            assert told.handled["open"].errors == 1
            for name in ("open", "read", "opendir", "release"):
                assert told.answered_in_c[name] >= 1, name
            table = mounted.session.operations.inode_table
            assert table is not None
            assert sum(told.answered_in_c.values()) == table.statistics().answered_in_c

    def test_the_attribute_is_on_the_root_only_and_in_no_list(self, mountpoint: Path) -> None:
        for root in (Dir({"f": "x", "d": {}}), MemoryDir({"f": "x", "d": {}})):
            with mount(root, mountpoint):
                assert json.loads(os.getxattr(mountpoint, STATISTICS_XATTR))["pid"] == os.getpid()
                assert os.listxattr(mountpoint) == []
                for name in ("f", "d"):
                    with pytest.raises(OSError, match="No data available"):
                        os.getxattr(mountpoint / name, STATISTICS_XATTR)

    def test_what_waits_is_timed_until_it_is_answered(self, mountpoint: Path) -> None:
        async def slow() -> str:
            await asyncio.sleep(0.05)
            return "done"

        with mount({"slow": slow}, mountpoint) as mounted:
            mounted.session.statistics(keep_timing=60.0)
            assert (mountpoint / "slow").read_text() == "done\n"
            # Counted when the answer has left, so perhaps a moment after the reader has it.
            wait_for(lambda: "open" in mounted.session.statistics().handled)
            opened = mounted.session.statistics().handled["open"]
            assert 0.05 <= opened.longest < 5
