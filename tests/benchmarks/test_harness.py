"""The harness of the benchmarks: what it measures is right, and it leaves nothing behind."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import content
from benchmarks.cases import CASES, GOALS, PINNED, SETTINGS, Case
from benchmarks.contestants import CONTESTANTS, Contestant
from benchmarks.measuring import Measured, Sample, Spread, interleave, run_load
from benchmarks.mounted import Server, ServerError
from benchmarks.report import Finding, Report
from tests.support import ROOT, fuse_mounts, shell, wait_for

needs_compiler = pytest.mark.skipif(
    not os.access(ROOT, os.W_OK), reason="programs are compiled into the checkout"
)

SMALL: content.Tree = {
    "small": b"x" * 4096,
    "data": bytes(8192),
    "sink": bytes(8208),
    "dir": {"f0": b"file 0\n"},
}


def sampled(rate: float) -> Sample:
    return Sample(rate, 0, 1, 2, operations=100, seconds=1, server_seconds=0.001)


# ------------------------------------------------------------------------------------------- figures


def test_a_ratio_is_the_median_of_the_ratios_of_the_rounds() -> None:
    # the machine was ten times slower in the last round, for both
    measured = Measured(
        CASES[0],
        {"a": [sampled(200), sampled(210), sampled(22)], "b": [sampled(100), sampled(100), sampled(10)]},
    )
    assert dataclasses.astuple(measured.ratio("a", "b")) == pytest.approx((2.1, 2.05, 2.15))
    assert measured.best_ratio("a", "b") == 2.1
    assert measured.server_us("a") == pytest.approx(10)


def test_a_single_round_has_no_spread() -> None:
    assert Spread.of([3.0]) == Spread(3.0, 3.0, 3.0)


def test_every_case_and_goal_names_contestants_that_there_are() -> None:
    cases = {case.key: case for case in CASES}
    assert len(cases) == len(CASES)
    for case in CASES:
        assert case.setting in SETTINGS
        for key in case.contestants:
            assert key in CONTESTANTS
    for goal in GOALS:
        assert {goal.subject, goal.against} <= set(cases[goal.case].contestants)
        assert case.operation in CONTESTANTS[goal.subject].operations | CONTESTANTS["c"].operations


def test_the_report_says_what_was_reached_and_what_was_missed() -> None:
    stat = next(case for case in CASES if case.key == "stat")
    report = Report({"kernel": "6.1"}, "2 rounds.", missing={"fusepy": "no libfuse2"})
    report.measured["stat"] = Measured(
        stat,
        {
            "c": [sampled(100), sampled(100)],
            "handler": [sampled(90), sampled(90)],
            "published": [sampled(50), sampled(50)],
        },
    )
    report.findings = [Finding("import fusetree", "12 ms", "under 60 ms", True), Finding("other", "7")]
    text = report.as_markdown()
    lines = text.splitlines()
    handler, published = (
        next(line for line in lines if title in line and "times C, passthrough_ll" in line)
        for title in ("fusetree, sync handler", "fusetree, declared, published")
    )
    assert handler.split("|")[-3].strip() == "yes"
    assert published.split("|")[-3].strip() == "**no**"
    assert "* fusepy: no libfuse2" in lines
    assert any("import fusetree" in line and "12 ms" in line and "yes" in line for line in lines)
    assert json.loads(json.dumps(report.as_json()))["goals"][0]["ratio"]["median"] == pytest.approx(0.9)


def test_both_kinds_of_trees_come_back_as_they_were_written(tmp_path: Path) -> None:
    tree = content.load("synthetic:3x4")
    assert [len(files) for files in tree.values()] == [4, 4, 4]
    assert tree["d2"] == {f"f{n}": f"file {8 + n}\n".encode() for n in range(4)}
    content.write(tree, tmp_path / "tree")
    assert content.load(str(tmp_path / "tree")) == tree


# ------------------------------------------------------------------------------------------- the load


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    content.write(SMALL, tmp_path)
    return tmp_path


@needs_compiler
@pytest.mark.parametrize("clients", ["1", "3"])
@pytest.mark.parametrize(
    "operation",
    [
        "stat",
        "fstat",
        "lookup-missing",
        "open-read-close",
        "create-unlink",
        "readdir",
        "walk",
        "walk-reading",
        "read",
        "write",
        "lock",
        "lseek",
    ],
)
def test_the_load_does_each_operation(folder: Path, operation: str, clients: str) -> None:
    before = sorted(os.listdir(folder))
    result = run_load(
        [
            operation,
            str(folder),
            "--seconds",
            "0.02",
            "--warmup",
            "0.005",
            "--clients",
            clients,
            "--order",
            "rand",
        ],
        5,
    )
    assert result["operation"] == operation
    assert result["operations"] > 0
    assert result["operations_per_second"] > 0
    assert result["median_us"] <= result["p99_us"]
    assert sorted(os.listdir(folder)) == before


@needs_compiler
def test_the_load_visits_each_entry_once(folder: Path) -> None:
    assert run_load(["walk", str(folder), "--once"], 5)["operations"] == 5


@needs_compiler
@pytest.mark.parametrize(
    ("operation", "hidden"), [("stat", "small"), ("read", "data"), ("readdir", "dir"), ("lookup-missing", "")]
)
def test_the_load_fails_where_an_operation_fails(folder: Path, operation: str, hidden: str) -> None:
    if hidden:
        (folder / hidden).rename(folder / "elsewhere")
    else:
        (folder / "missing").touch()
    with pytest.raises(ServerError):
        run_load([operation, str(folder), "--seconds", "0.05", "--clients", "2"], 5)


# ------------------------------------------------------------------------------------------- servers


@needs_compiler
@pytest.mark.mount
def test_a_server_is_mounted_verified_measured_and_ended(folder: Path) -> None:
    with Server(CONTESTANTS["c-memory"], str(folder), os.sched_getaffinity(0)) as server:
        mountpoint, pid = server.mountpoint, server.pid
        server.verify(SMALL)
        case = Case("case", "stat", "stat", ("c-memory", "c"), PINNED)
        measured = interleave(case, {"c-memory": server}, rounds=3, seconds=0.02, warmup=0.005)
        assert len(measured.samples["c-memory"]) == 3
    assert not fuse_mounts(mountpoint)
    assert not os.path.exists(mountpoint)
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


@needs_compiler
@pytest.mark.mount
@pytest.mark.parametrize(
    "wrong", [{**SMALL, "small": b"y" * 4096}, {**SMALL, "more": b""}, {**SMALL, "missing": b""}]
)
def test_a_server_that_answers_wrongly_is_not_measured(folder: Path, wrong: content.Tree) -> None:
    with Server(CONTESTANTS["c-memory"], str(folder), os.sched_getaffinity(0)) as server:
        with pytest.raises(ServerError, match="answers wrongly"):
            server.verify(wrong)
        mountpoint = server.mountpoint
    assert not fuse_mounts(mountpoint)


@pytest.mark.mount
def test_a_server_that_ends_at_once_is_reported_with_its_words(folder: Path) -> None:
    program = [sys.executable, "-c", "import sys; sys.exit('out of order')"]
    broken = Contestant("broken", "broken", frozenset(), lambda source, mountpoint, threads, burn: program)
    with (
        pytest.raises(ServerError, match="out of order"),
        Server(broken, str(folder), os.sched_getaffinity(0)),
    ):
        pass


@needs_compiler
@pytest.mark.mount
def test_a_server_that_is_killed_leaves_no_mount(folder: Path) -> None:
    with Server(CONTESTANTS["c-memory"], str(folder), os.sched_getaffinity(0)) as server:
        mountpoint = server.mountpoint
        os.kill(server.pid, signal.SIGKILL)
    assert not fuse_mounts(mountpoint)


# ------------------------------------------------------------------------------------------- the program


@needs_compiler
@pytest.mark.mount
@pytest.mark.root
@pytest.mark.timeout(120)
def test_the_program_measures_ours_beside_c_and_writes_its_tables(tmp_path: Path) -> None:
    table, samples = tmp_path / "report.md", tmp_path / "report.json"
    command = (
        f"{sys.executable} -m benchmarks --rows stat,open-read-close,import "
        "--only c,c-memory,handler,published,computed "
        f"--rounds 1 --seconds 0.05 --markdown {table} --json {samples}"
    )
    done = shell(command, cwd=ROOT, timeout=100).ok()
    assert "## Goals" in done.text
    assert table.read_text() in done.text
    kept = json.loads(samples.read_text())
    assert set(kept["cases"]["stat"]["samples"]) == {"c", "c-memory", "handler", "published"}
    assert "computed" in kept["cases"]["open-read-close"]["samples"]
    assert kept["missing"] == {}
    assert kept["findings"][0]["title"] == "import fusetree"


@needs_compiler
@pytest.mark.mount
@pytest.mark.root
@pytest.mark.timeout(150)
@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_it_leaves_neither_mounts_nor_processes_nor_folders(
    tmp_path: Path, sign: signal.Signals
) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks", "--rows", "stat", "--only", "c-memory,c", "--seconds", "30",
         "--markdown", str(tmp_path / "report.md"), "--json", str(tmp_path / "report.json")],
        cwd=ROOT,
        env={**os.environ, "TMPDIR": str(tmp_path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )  # fmt: skip
    try:
        # the first run compiles what it needs
        wait_for(lambda: len(fuse_mounts(tmp_path)) == 2, what="the servers' mounts", timeout=60)
        wait_for(lambda: _load_of(process.pid), what="the load", timeout=30)
        process.send_signal(sign)
        _out, err = process.communicate(timeout=30)
    finally:
        if process.poll() is None:
            process.kill()  # its servers end with it
            process.communicate()
    assert b"interrupted" in err
    assert not fuse_mounts(tmp_path)
    assert sorted(os.listdir(tmp_path)) == ["report.json", "report.md"]


@needs_compiler
@pytest.mark.mount
@pytest.mark.root
@pytest.mark.parametrize("contestant", ["c-memory", "published"])
def test_killed_it_takes_its_servers_along(folder: Path, tmp_path: Path, contestant: str) -> None:
    program = (
        "import os, sys\nfrom benchmarks.contestants import CONTESTANTS\n"
        "from benchmarks.mounted import Server\n"
        f"with Server(CONTESTANTS[{contestant!r}], {str(folder)!r}, os.sched_getaffinity(0)) as server:\n"
        "    print(server.mountpoint, flush=True)\n"
        "    sys.stdin.read()\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        mountpoint = process.stdout.readline().strip()
        assert fuse_mounts(mountpoint)
    finally:
        process.kill()
        process.communicate()
    wait_for(lambda: not fuse_mounts(mountpoint), what="the end of the mount", timeout=20)
    Path(mountpoint).rmdir()
    Path(mountpoint).parent.rmdir()


def _load_of(parent: int) -> bool:
    """Whether process *parent* has started the load generator."""
    children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # a child may end meanwhile
        return any(Path(f"/proc/{child}/comm").read_text().strip() == "load" for child in children)
    return False


@needs_compiler
@pytest.mark.mount
@pytest.mark.root
@pytest.mark.parametrize(("tool", "program"), [("stat", "perf"), ("callgrind", "valgrind")])
def test_the_profiler_counts_a_server_under_load(tool: str, program: str) -> None:
    if shutil.which(program) is None:
        pytest.skip(f"{program} is not installed")
    command = f"{sys.executable} -m benchmarks.profile c-memory stat --tool {tool} --seconds 0.2"
    done = shell(command, cwd=ROOT, timeout=50)
    if tool == "stat" and "task-clock" not in done.text:
        pytest.skip(f"perf counts nothing here: {done.error[-200:]}")
    assert ("an operation" if tool == "stat" else "PROGRAM TOTALS") in done.ok().text
