"""The examples that show objects which are there anyway."""

from __future__ import annotations

import contextlib
import json
import signal
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support import ROOT, is_mounted, python, server, shell, wait_for

EXAMPLES = ROOT / "examples"

pytestmark = pytest.mark.mount


@contextmanager
def serving(
    name: str, mountpoint: Path, *before: str | Path, arguments: tuple[str, ...] = ()
) -> Iterator[None]:
    """An example, mounted, with arguments before and behind the mountpoint; ended by Ctrl-C."""
    with server(EXAMPLES / name, *before, mountpoint, *arguments, mountpoint=mountpoint) as process:
        yield
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0
    assert not is_mounted(mountpoint)


def test_app_proc(mountpoint: Path) -> None:
    with serving("app_proc.py", mountpoint):
        names = shell("cat threads/*/name", cwd=mountpoint).ok().lines
        assert "MainThread" in names
        assert len(names) > 1
        assert "fusetree.run" in shell("cat threads/*/stack", cwd=mountpoint).ok().text
        assert "No such file" in shell("cat threads/1/name", cwd=mountpoint).error
        assert len(shell("cat gc/counts", cwd=mountpoint).ok().text.split()) == 3
        assert int(shell("cat memory/traced", cwd=mountpoint).ok().text) > 0
        assert "size=" in shell("cat memory/top", cwd=mountpoint).ok().text
        shell("echo > gc/collect", cwd=mountpoint).ok()
        lines = shell("cat log", cwd=mountpoint).ok().lines
        assert lines[0].endswith("INFO started")
        assert "INFO collected" in lines[-1]


def test_event_stream(mountpoint: Path) -> None:
    with serving("event_stream.py", mountpoint, arguments=("0.01",)):
        came = shell("tail -n +1 -s 0.05 -f events | grep -m 1 failed", cwd=mountpoint).text
        event = json.loads(came)
        assert event["level"] == "ERROR"
        assert event["what"].split()[0] == "order"
        done = shell("grep --line-buffered -m 3 done follow", cwd=mountpoint).ok().lines
        assert [json.loads(line)["what"] for line in done] == [f"order {n} done" for n in (1, 2, 3)]
        shell("echo 100% of coffee > note", cwd=mountpoint).ok()
        assert len(shell("grep -m 1 'note: 100% of coffee' follow", cwd=mountpoint).ok().lines) == 1
        errors = shell("cat errors", cwd=mountpoint).ok().lines
        assert all(json.loads(line)["level"] == "ERROR" for line in errors)


def test_object_factory(mountpoint: Path) -> None:
    with serving("object_factory.py", mountpoint):
        shell("mkdir servers/web1 pools/blue && echo 8080 > servers/web1/port", cwd=mountpoint).ok()
        shell("ln -s ../../../servers/web1 pools/blue/members/", cwd=mountpoint).ok()
        assert shell("cat pools/blue/config", cwd=mountpoint).ok().lines == [
            *("pool blue {", "    server web1:8080 weight=1;", "}")
        ]
        assert "Invalid argument" in shell("mkdir 'servers/bad*name'", cwd=mountpoint).error
        assert "Invalid argument" in shell("echo 0 > servers/web1/port", cwd=mountpoint).error
        assert "Invalid argument" in shell("ln -s ../../blue pools/blue/members/", cwd=mountpoint).error
        assert "busy" in shell("rmdir servers/web1", cwd=mountpoint).error
        shell("rm pools/blue/members/web1 && rmdir servers/web1 pools/blue", cwd=mountpoint).ok()


def test_json_tree(mountpoint: Path, tmp_path: Path) -> None:
    path = tmp_path / "document.json"
    path.write_text(json.dumps({"users": [{"name": "ada"}], "server": {"port": 80, "on": True}}))
    with serving("json_tree.py", mountpoint, path):
        assert shell("cat users/0/name server/port", cwd=mountpoint).ok().lines == ["ada", "80"]
        shell("echo 8080 > server/port; mkdir users/1; echo bea > users/1/name", cwd=mountpoint).ok()
        shell("rm server/on; sed -i s/ada/eva/ users/0/name", cwd=mountpoint).ok()
    assert json.loads(path.read_text()) == {
        "users": [{"name": "eva"}, {"name": "bea"}],
        "server": {"port": 8080},
    }
    assert [file.name for file in tmp_path.iterdir() if file.suffix == ".json"] == ["document.json"]


def test_json_tree_of_no_tree(mountpoint: Path, tmp_path: Path) -> None:
    path = tmp_path / "number.json"
    path.write_text("5")
    assert "no parts" in python(EXAMPLES / "json_tree.py", path, mountpoint).error


def test_sqlite_tables(mountpoint: Path, tmp_path: Path) -> None:
    path = tmp_path / "data.db"
    with contextlib.closing(sqlite3.connect(path)) as database, database:
        database.execute("create table users (id integer primary key, name text, age int)")
        database.execute('create table "odd ""name" (x)')
        database.executemany("insert into users (name, age) values (?, ?)", [("ada", 36), ("bea", None)])
    with serving("sqlite_tables.py", mountpoint, path):
        assert shell("ls tables", cwd=mountpoint).ok().lines == ['odd "name', "users"]
        assert "create table users" in shell("cat tables/users/schema", cwd=mountpoint).ok().text.lower()
        assert shell("ls tables/users/rows", cwd=mountpoint).ok().lines == ["1", "2"]
        assert shell("cat tables/users/rows/1/name", cwd=mountpoint).ok().text == "ada"
        assert shell("cat tables/users/rows/*/age", cwd=mountpoint).ok().text == "36\n\n"
        shell("echo 'select name, age from users order by id' > queries/all", cwd=mountpoint).ok()
        assert shell("cat results/all", cwd=mountpoint).ok().lines == ["ada\t36", "bea\tNone"]
        with contextlib.closing(sqlite3.connect(path)) as database, database:
            database.execute("insert into users (name, age) values ('cem', 5)")
        assert (
            shell("wc -l < results/all; cat tables/users/rows/3/name", cwd=mountpoint).ok().text == "3\ncem"
        )
        assert "No such file" in shell("cat tables/none/schema", cwd=mountpoint).error
        shell("rm queries/all", cwd=mountpoint).ok()
        assert "No such file" in shell("cat results/all", cwd=mountpoint).error


def test_live_settings(mountpoint: Path) -> None:
    with server(
        EXAMPLES / "live_settings.py", mountpoint, mountpoint=mountpoint, stderr=subprocess.PIPE
    ) as process:
        assert process.stderr is not None
        assert process.stderr.readline() == b"tick 0: cpu, all is well\n"
        shell('echo 0.01 > interval; echo \'["disk", "net"]\' > watch.json', cwd=mountpoint).ok()
        wait_for(lambda: process.stderr and b"disk, net" in process.stderr.readline())
        for wrong in ("echo loud > level", "echo -1 > interval", "echo x > running"):
            assert "Invalid argument" in shell(wrong, cwd=mountpoint).error
        # The shell does not look at what close(2) says, cp does; the old list stays.
        assert (
            "Invalid argument"
            in shell("echo [ > watch.json; echo [ | cp /dev/stdin watch.json", cwd=mountpoint).error
        )
        assert "Permission denied" in shell("cat token", cwd=mountpoint).error
        shell("echo secret > token; echo no > running", cwd=mountpoint).ok()
        settings = shell("grep . interval level running", cwd=mountpoint).ok().text
        assert settings == "interval:0.01\nlevel:INFO\nrunning:false\n"
        assert json.loads((mountpoint / "watch.json").read_text()) == ["disk", "net"]
        shell("echo lunch > reset", cwd=mountpoint).ok()
        wait_for(lambda: process.stderr and process.stderr.readline() == b"reset: lunch\n")
        doc = shell("getfattr --only-values -n user.doc interval", cwd=mountpoint).ok().text
        assert doc == "Seconds between two ticks"
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=20)
        assert process.returncode == 0
    assert not is_mounted(mountpoint)
