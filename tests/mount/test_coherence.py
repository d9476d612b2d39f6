"""The scenarios of tests/scenarios/test_coherence.py with a kernel that caches, and the stress of readers and
a writer.
"""

from __future__ import annotations

import mmap
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from fusetree import Dir, File, Symlink, entry, node
from tests.mount import looker, reader
from tests.mount.conftest import Mounting
from tests.scenarios.trees import Settings, Slow
from tests.support import PYTHON, shell, wait_for

pytestmark = pytest.mark.mount

WAIT = 10.0


@node
class Written(Dir):
    value: str = entry("")


@pytest.mark.slow
@pytest.mark.timeout(100)
@pytest.mark.parametrize("kind", ["entry", "file"])
def test_eight_readers_and_a_writer_never_see_a_torn_or_stale_value(
    mountpoint: Path, mounted: Mounting, tmp_path: Path, kind: str
) -> None:
    """8 processes read while a thread changes the value: 10,000 rounds and more, until each has read often
    enough.

    A file's page cache may be torn by design (readers share its pages), so for a file one reader looks after
    each of 2,000 rounds.
    """
    if kind == "file":
        _file_rounds(mountpoint, mounted)
        return
    rounds, reads, count = 10_000, 2_500, 8
    written = Written(value=reader.text_of(0).decode()[:-1])
    mounted(written, coherence_wait=30.0)
    shared = tmp_path / "shared"
    shared.write_bytes(bytes(4096))
    descriptor = os.open(shared, os.O_RDWR)
    mapped = mmap.mmap(descriptor, 4096)
    os.close(descriptor)
    memory = memoryview(mapped).cast("q")
    script, path = Path(reader.__file__), mountpoint / "value"
    readers = [
        subprocess.Popen(
            [PYTHON, "-S", "-E", script, shared, path, str(me)], stdout=subprocess.PIPE, text=True
        )
        for me in range(count)
    ]

    def all_have_read() -> bool:
        counts = memory[reader.COUNTS : reader.COUNTS + count].tolist()
        return min(counts) >= reads or any(process.poll() is not None for process in readers)

    try:
        for process in readers:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
        number = 0
        while number < rounds or not all_have_read():
            number += 1
            memory[reader.BEGUN] = number
            written.value = reader.text_of(number).decode()[:-1]
            memory[reader.TOLD] = number
        memory[reader.STOP] = 1
        outputs = [process.communicate(timeout=20)[0] for process in readers]
    finally:
        for process in readers:
            process.kill()
            process.wait()
        memory.release()
        mapped.close()
    for output in outputs:
        lines = output.splitlines()
        assert len(lines) == 1, output
        assert int(lines[0].split()[1]) >= reads


def _file_rounds(mountpoint: Path, mounted: Mounting) -> None:
    file = File(b"0")
    mounted({"f": file}, coherence_wait=30.0)
    path = mountpoint / "f"
    with open(path, "rb", buffering=0) as handle:
        for number in range(2000):
            data = reader.text_of(number)
            file.store(data)
            assert os.stat(path).st_size == len(data)
            handle.seek(0)
            assert handle.read(1 << 16) == data
            assert path.read_bytes() == data


def test_what_is_declared_is_cached_without_end(mountpoint: Path, mounted: Mounting) -> None:
    root = Dir({"d": {"f": "text\n"}, "l": Symlink("d/f")})
    mount = mounted(root)
    table = mount.session.operations.inode_table
    assert table is not None
    look = f"stat {mountpoint}/d/f {mountpoint}/l; test -e {mountpoint}/absent; ls {mountpoint}/d"
    shell(look)
    before = table.statistics().answered_in_c
    lookups = table.statistics().lookups
    shell(look)
    # Opening and releasing the directory is asked for each time; names and attributes are not.
    assert table.statistics().lookups == lookups
    assert table.statistics().answered_in_c - before <= 4


def test_a_negative_entry_is_taken_back_when_the_name_appears(mountpoint: Path, mounted: Mounting) -> None:
    root = Dir({"d": {}})
    mounted(root, coherence_wait=WAIT)
    for number in range(200):
        path = mountpoint / f"d/new{number}"
        assert not path.exists()
        assert not path.exists()
        root[f"d/new{number}"] = "text\n"
        assert path.read_text() == "text\n"
    assert shell(f"cat {mountpoint}/d/new0").text == "text\n"


def test_a_listing_is_cached_and_taken_back(mountpoint: Path, mounted: Mounting) -> None:
    root = Dir({"d": {"a": "", "b": ""}})
    mounted(root, coherence_wait=WAIT)
    path = mountpoint / "d"
    for number in range(100):
        names = os.listdir(path)
        root[f"d/n{number}"] = ""
        assert os.listdir(path) == [*names, f"n{number}"]
        del root[f"d/{names[0]}"]
        assert os.listdir(path) == [*names[1:], f"n{number}"]


def test_a_removed_or_replaced_child_is_gone_at_once(mountpoint: Path, mounted: Mounting) -> None:
    root = Dir({"d": {"f": "text\n", "e": {"g": "x"}}})
    mounted(root, coherence_wait=WAIT)
    shell(f"find {mountpoint} | xargs stat").ok()
    del root["d/f"]
    assert not (mountpoint / "d/f").exists()
    del root["d/e"]
    assert not (mountpoint / "d/e/g").exists()
    for number in range(100):
        root["x"] = f"{number}\n"
        assert (mountpoint / "x").read_text() == f"{number}\n"
        root["x"] = {"inside": ""}
        assert os.listdir(mountpoint / "x") == ["inside"]
        root["x"] = Symlink("elsewhere")
        assert os.readlink(mountpoint / "x") == "elsewhere"


def test_the_target_of_a_link_is_cached_and_taken_back(mountpoint: Path, mounted: Mounting) -> None:
    link = Symlink("one")
    mounted({"l": link}, coherence_wait=WAIT)
    for number in range(100):
        assert os.readlink(mountpoint / "l") == ("one" if number == 0 else f"target-{number - 1}")
        link.target = f"target-{number}"
    assert shell(f"readlink {mountpoint}/l").text == "target-99\n"


def test_attributes_are_taken_back(mountpoint: Path, mounted: Mounting) -> None:
    file = File(b"x", mode=0o644)
    settings = Settings()
    mounted({"f": file, "s": settings}, coherence_wait=WAIT)
    for number in range(300):
        file.mode = 0o400 + number % 64
        assert os.stat(mountpoint / "f").st_mode & 0o777 == 0o400 + number % 64
        settings.jobs = 10 ** (number % 9)
        assert os.stat(mountpoint / "s/jobs").st_size == number % 9 + 2
    file.set_times(mtime_ns=123_456_789)
    assert os.stat(mountpoint / "f").st_mtime_ns == 123_456_789


def test_modification_times_move(mountpoint: Path, mounted: Mounting) -> None:
    directory = Dir()
    directory.set_times(mtime_ns=1)
    mounted({"d": directory}, coherence_wait=WAIT)
    assert os.stat(mountpoint / "d").st_mtime_ns == 1
    directory["new"] = ""
    assert os.stat(mountpoint / "d").st_mtime_ns > 1


@pytest.mark.timeout(60)
def test_a_change_that_meets_a_client_in_the_middle_of_a_lookup_is_told_again(
    mountpoint: Path, mounted: Mounting, tmp_path: Path
) -> None:
    """The kernel does not know an inode yet whose LOOKUP is on its way back: INVAL_INODE is tried again.

    Each new file's mode changes when the server has counted the lookup, which is when its answer is on its
    way.  Without trying again, some files keep the old mode for ever.
    """
    root = Dir()
    table = mounted(root, coherence_wait=WAIT).session.operations.inode_table
    assert table is not None
    shared = tmp_path / "shared"
    shared.write_bytes(bytes(4096))
    descriptor = os.open(shared, os.O_RDWR)
    mapped = mmap.mmap(descriptor, 4096)
    os.close(descriptor)
    memory = memoryview(mapped).cast("q")
    process = subprocess.Popen(
        [PYTHON, "-S", "-E", Path(looker.__file__), shared, mountpoint], stdout=subprocess.PIPE, text=True
    )
    stale = []

    def counted(file: File) -> bool:
        node_id = table.node_id(file)
        return node_id != 0 and table.lookup_count(node_id) > 0

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)  # the handler wants the GIL, which this loop has
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        for number in range(1, 2001):
            file = root[f"f{number}"] = File(b"", mode=0o444)
            memory[looker.ROUND] = number
            while not counted(file) and memory[looker.LOOKED] != number:
                pass
            file.mode = 0o400
            wait_for(lambda number=number: memory[looker.LOOKED] == number)  # type: ignore[misc]
            if os.stat(mountpoint / f"f{number}").st_mode & 0o777 != 0o400:
                stale.append(number)
            del root[f"f{number}"]
        memory[looker.ROUND] = -1
        assert process.wait(10) == 0
    finally:
        sys.setswitchinterval(interval)
        process.kill()
        process.wait()
        process.stdout.close()  # type: ignore[union-attr]
        memory.release()
        mapped.close()
    assert stale == []


@pytest.mark.no_rings  # who waits there holds up others
@pytest.mark.timeout(30)
def test_a_slow_handler_does_not_hold_up_other_lookups(mountpoint: Path, mounted: Mounting) -> None:
    """While a handler of a directory is slow, names of it that the kernel knows can be used, and changes
    return.
    """
    slow = Slow()
    slow["other"] = "old\n"
    slow["known"] = "known\n"
    mounted(Dir({"d": slow}))
    assert (mountpoint / "d/known").read_text() == "known\n"
    assert (mountpoint / "d/other").read_text() == "old\n"
    waiting = threading.Thread(target=os.stat, args=(mountpoint / "d/slow",))
    waiting.start()
    try:
        assert slow.began.wait(10)
        begin = time.monotonic()
        del slow["other"]
        assert time.monotonic() - begin < 2
        assert shell(f"cat {mountpoint}/d/known", timeout=5).text == "known\n"
        assert shell(f"ls {mountpoint}", timeout=5).text == "d\n"
    finally:
        slow.go_on.set()
        waiting.join(10)
    slow["last"] = ""
    for _ in range(100):
        if not (mountpoint / "d/other").exists():
            break
        slow.changed()
    assert not (mountpoint / "d/other").exists()


def test_kernel_cache_false_caches_nothing(mountpoint: Path, mounted: Mounting) -> None:
    settings = Settings()
    root = Dir({"s": settings})
    mounted(root, kernel_cache=False)
    for number in range(50):
        assert not (mountpoint / f"n{number}").exists()
        root[f"n{number}"] = "x"
        assert (mountpoint / f"n{number}").read_text() == "x"
        settings.jobs = number
        assert (mountpoint / "s/jobs").read_text() == f"{number}\n"
        assert os.stat(mountpoint / "s/jobs").st_size == len(f"{number}\n")
    assert len(os.listdir(mountpoint)) == 51


def test_declared_state_is_served_while_the_program_computes(mountpoint: Path, mounted: Mounting) -> None:
    settings = Settings()
    mounted(settings)
    assert (mountpoint / "jobs").read_text() == "3\n"
    stop = threading.Event()

    def burn() -> None:
        while not stop.is_set():
            sum(range(1000))

    burner = threading.Thread(target=burn)
    burner.start()
    try:
        command = f"for n in $(seq 300); do read line < {mountpoint}/jobs; echo $line; done | sort | uniq -c"
        begin = time.monotonic()
        assert shell(command).ok().text.split() == ["300", "3"]
        assert time.monotonic() - begin < 3  # a GIL switch for each of 1200 requests would take 6 s
    finally:
        stop.set()
        burner.join()
