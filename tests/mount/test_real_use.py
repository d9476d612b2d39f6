"""What people do all day with files: git, tar, rsync, SQLite, a C project.

On writable trees, on the examples' file systems and, to know what may be expected, on a plain directory.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import ROOT, below, python, server, shell

EXAMPLES = ROOT / "examples"

pytestmark = [pytest.mark.mount, pytest.mark.slow, pytest.mark.timeout(300)]


def needs(program: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(shutil.which(program) is None, reason=f"no {program}")


@pytest.fixture(params=["plain", "MemoryDir", "HostDir", "sqlite_fs", "passthrough"])
def files(request: pytest.FixtureRequest, mountpoint: Path, tmp_path: Path) -> Iterator[Path]:
    """An empty writable file system."""
    kind: str = request.param
    source = tmp_path / "source"
    source.mkdir()
    if kind == "plain":
        yield source
        return
    commands: dict[str, list[str | Path]] = {
        "MemoryDir": ["-m", "fusetree", "mount", "fusetree:MemoryDir"],
        "HostDir": ["-m", "fusetree", "mirror", "--writable", source],
        "sqlite_fs": [EXAMPLES / "sqlite_fs.py"],
        "passthrough": [EXAMPLES / "passthrough.py", source],
    }
    with server(*commands[kind], mountpoint, mountpoint=mountpoint):
        yield mountpoint


def _attributes(path: Path) -> dict[str, bytes]:
    """The extended attributes that users gave, ACLs among them."""
    names = [name for name in os.listxattr(path, follow_symlinks=False) if not name.startswith("security.")]
    return {name: os.getxattr(path, name, follow_symlinks=False) for name in sorted(names)}


def _has_acls(folder: Path) -> bool:
    """Whether access control lists can be kept there."""
    probe = folder / "probe"
    probe.touch()
    try:
        return shell(f"setfacl -m u:1:r {probe}").status == 0
    finally:
        probe.unlink()


def _tree(folder: Path) -> dict[str, tuple[object, ...]]:
    """Mode, owner, mtime, link count, content and extended attributes of all that is below *folder*."""
    found: dict[str, tuple[object, ...]] = {}
    for path in sorted(below(folder)):
        seen = path.lstat()
        if path.is_symlink():
            content = os.readlink(path)
        elif path.is_file():
            content = hashlib.sha256(path.read_bytes()).hexdigest()
        else:
            content = ""
        links = seen.st_nlink if path.is_file() else 0
        time = 0 if path.is_dir() else seen.st_mtime_ns
        owner = (seen.st_uid, seen.st_gid)
        found[str(path.relative_to(folder))] = (seen.st_mode, owner, time, links, content, _attributes(path))
    return found


@pytest.fixture
def sample(tmp_path: Path) -> Path:
    """A host directory with one of everything."""
    folder = tmp_path / "sample"
    (folder / "deep/er/est").mkdir(parents=True)
    for number in range(200):
        (folder / f"deep/{number:03}").write_bytes(os.urandom(number * 97))
    (folder / "deep/er/empty").touch(0o600)
    (folder / "deep/link").symlink_to("../nowhere")
    os.link(folder / "deep/017", folder / "deep/er/est/hard")
    (folder / "\udcff not text").write_text("x")
    (folder / "program").write_text("#!/bin/sh\necho hi\n")
    (folder / "program").chmod(0o755)
    with open(folder / "sparse", "wb") as file:
        file.seek(5_000_000)
        file.write(b"end")
    os.mkfifo(folder / "pipe")
    os.setxattr(folder / "deep", "user.on a directory", b"yes")
    for number in range(5):
        os.setxattr(folder / "program", f"user.{number}", bytes([number]) * 100)
    if os.geteuid() == 0:
        os.lchown(folder / "deep/link", 12, 34)
        os.chown(folder / "deep/199", 56, 78)
        os.chmod(folder / "deep/198", 0o6755)
    for path in folder.rglob("*"):
        if not path.is_dir():
            os.utime(path, ns=(10**18, 10**18 + path.lstat().st_size * 1001), follow_symlinks=False)
    return folder


@needs("git")
def test_git(files: Path) -> None:
    environment = {
        "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_SYSTEM": "/dev/null",
        "GIT_AUTHOR_NAME": "A", "GIT_AUTHOR_EMAIL": "a@example.org",
        "GIT_COMMITTER_NAME": "A", "GIT_COMMITTER_EMAIL": "a@example.org",
    }  # fmt: skip

    def git(command: str, where: str = "copy") -> str:
        return shell(f"git {command}", cwd=files / where, env=environment, timeout=120).ok().text

    git("init -q --bare -b main origin.git", ".")
    git("clone -q origin.git copy", ".")
    for number in range(100):
        (files / f"copy/file{number}").write_text(f"{number}\n" * number)
    git("add .")
    git("commit -qm first")
    for number in range(0, 100, 3):
        (files / f"copy/file{number}").write_text("changed\n")
    git("mv file1 moved")
    git("commit -qam second")
    git("push -q origin HEAD:main")
    git("checkout -qb other HEAD~1")
    git("merge -q main")
    git("gc -q --prune=now")
    assert "error" not in git("fsck --full --strict")
    assert git("status --porcelain") == ""
    git("clone -q origin.git again", ".")
    assert git("rev-parse HEAD", "again") == git("rev-parse main")
    shell("diff -r --exclude=.git copy again", cwd=files).ok()


@needs("tar")
def test_tar(files: Path, sample: Path) -> None:
    """With holes, hard links and extended attributes, there and back."""
    create = "tar --format=posix --sparse --xattrs -cf -"
    shell(f"{create} -C {sample} . | tar --sparse --xattrs -xpf - -C {files}").ok()
    assert _tree(files) == _tree(sample)
    shell(f"{create} -C {files} . > {sample.parent}/back.tar").ok()
    (sample.parent / "back").mkdir()
    shell(f"tar --sparse --xattrs -xpf {sample.parent}/back.tar -C {sample.parent}/back").ok()
    assert _tree(sample.parent / "back") == _tree(sample)
    shell(f"tar -df {sample.parent}/back.tar -C {files}").ok()
    for folder in (files, sample.parent / "back"):
        assert (folder / "sparse").stat().st_blocks * 512 < 100_000


@needs("rsync")
@needs("setfacl")
def test_rsync(files: Path, sample: Path) -> None:
    options = "-aHSXA"
    if _has_acls(sample) and _has_acls(files):
        shell(f"setfacl -m u:1:r,g:2:rw {sample}/deep/111; setfacl -d -m u:3:rwx {sample}/deep/er").ok()
    shell(f"rsync {options} {sample}/ {files}/").ok()
    assert _tree(files) == _tree(sample)
    (sample / "deep/003").write_text("changed")
    (sample / "deep/004").unlink()
    again = shell(f"rsync {options} --delete --checksum --itemize-changes {sample}/ {files}/").ok()
    changed = [line.split(maxsplit=1)[1] for line in again.lines if line[1] == "f" or "deleting" in line]
    assert changed == ["deep/004", "deep/003"]
    back = sample.parent / "back"
    shell(f"rsync {options} {files}/ {back}/").ok()
    assert _tree(back) == _tree(sample)
    assert shell(f"rsync {options} --checksum --dry-run --itemize-changes {files}/ {back}/").ok().lines == []


WRITER = """
import sqlite3, sys
db = sqlite3.connect(sys.argv[1], timeout=60, isolation_level=None)
assert db.execute("PRAGMA journal_mode = WAL").fetchone() == ("wal",)
for _ in range(100):
    db.execute("BEGIN IMMEDIATE")
    (value,) = db.execute("SELECT value FROM counter").fetchone()
    db.execute("UPDATE counter SET value = ?", (value + 1,))
    db.execute("INSERT INTO log VALUES (?, zeroblob(3000))", (value,))
    db.execute("COMMIT")
"""


def test_sqlite_with_a_write_ahead_log(files: Path) -> None:
    path = files / "data.db"
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("CREATE TABLE counter (value INTEGER)")
        db.execute("CREATE TABLE log (value INTEGER UNIQUE, filler BLOB)")
        db.execute("INSERT INTO counter VALUES (0)")
    db.close()
    writer = 'python3 -c "$PROGRAM" data.db'
    done = shell(f"{writer} & {writer} & {writer} & wait", cwd=files, timeout=120, env={"PROGRAM": WRITER})
    assert done.ok().error == ""
    db = sqlite3.connect(path)
    assert db.execute("SELECT value FROM counter").fetchone() == (300,)
    assert db.execute("SELECT COUNT(*), COUNT(DISTINCT value) FROM log").fetchone() == (300, 300)
    assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    db.execute("VACUUM")
    db.close()
    assert [entry.name for entry in files.iterdir()] == ["data.db"]


@needs("make")
@needs("cc")
def test_a_c_project(files: Path) -> None:
    project = files / "project"
    project.mkdir()
    names = [f"part{number}" for number in range(12)]
    (project / "parts.h").write_text("".join(f"int {name}(int);\n" for name in names))
    for number, name in enumerate(names):
        (project / f"{name}.c").write_text(
            f'#include "parts.h"\nint {name}(int x) {{ return x + {number}; }}\n'
        )
    calls = "".join(f"x = {name}(x); " for name in names)
    body = f'int x = 0; {calls}return !printf("%d\\n", x);'
    (project / "main.c").write_text(f'#include <stdio.h>\n#include "parts.h"\nint main(void) {{ {body} }}\n')
    (project / "Makefile").write_text(
        "OBJECTS := $(patsubst %.c,%.o,$(filter-out main.c,$(wildcard *.c)))\n"
        "main: main.o libparts.a\n\t$(CC) -o $@ $^\nlibparts.a: $(OBJECTS)\n\tar rcs $@ $^\n"
        "%.o: %.c parts.h\n\t$(CC) -O1 -c -o $@ $<\ncheck: main\n\ttest $$(./main) = 66\n"
        "clean:\n\trm -f *.o *.a main\n"
    )
    shell("make -j4 check", cwd=project, timeout=120).ok()
    assert "is up to date" in shell("make main", cwd=project).ok().text
    (project / "part3.c").write_text('#include "parts.h"\nint part3(int x) { return x + 103; }\n')
    assert shell("make main | grep -c -- -O1", cwd=project, timeout=120).ok().text == "1\n"
    assert shell("./main", cwd=project).ok().text == "166\n"
    shell("make clean", cwd=project).ok()
    assert not list(project.glob("*.o"))


def test_a_python_package_is_installed_and_used(files: Path) -> None:
    """Byte code is written beside modules: created, renamed into place, mapped."""
    (files / "package").mkdir()
    for number in range(30):
        (files / f"package/m{number}.py").write_text(f"value = {number}\n")
    (files / "package/__init__.py").touch()
    program = (
        "import sys; sys.path.insert(0, sys.argv[1])\nfrom importlib import import_module\n"
        "print(sum(import_module(f'package.m{n}').value for n in range(30)))"
    )
    for _ in range(2):
        done = python("-c", program, files, env={"PYTHONDONTWRITEBYTECODE": ""}).ok()
        assert done.text == "435\n"
    assert len(list((files / "package/__pycache__").iterdir())) == 31
