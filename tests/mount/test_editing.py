"""Real programs edit the entries of a mounted tree; and programs that make the system calls of an editor."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from fusetree import Dir
from tests.mount.conftest import Mounting
from tests.scenarios.test_editing import Settings, settings
from tests.support import Completed, python, shell

pytestmark = pytest.mark.mount


@pytest.fixture
def mine(mounted: Mounting) -> Settings:
    found = settings()
    mounted(Dir({"s": found}))
    return found


@pytest.fixture
def here(mountpoint: Path, mine: Settings) -> Path:
    return mountpoint / "s"


def names(here: Path) -> list[str]:
    return sorted(os.listdir(here))


def test_sed_edits_in_place(here: Path, mine: Settings) -> None:
    before = names(here)
    inode = os.stat(here / "level").st_ino
    shell("sed -i s/info/debug/ level; cat level", cwd=here).ok()
    assert mine.level == "debug"
    shell('sed -i \'s/"a": 1/"b": 22/\' tags.json && sed -i s/hello/bye/ motd', cwd=here).ok()
    assert mine.tags == {"b": 22}
    assert shell("cat level tags.json motd", cwd=here).ok().text == 'debug\n{\n  "b": 22\n}\nbye\n'
    for command in ("sed -i s/debug/shout/ level", "sed -i s/22/x/ tags.json"):
        assert "Invalid argument" in shell(command, cwd=here).error
    assert (mine.level, mine.tags) == ("debug", {"b": 22})
    assert names(here) == before, "nothing is left behind"
    assert os.stat(here / "level").st_ino == inode
    assert shell("stat -c '%h %s' level", cwd=here).ok().text == "1 6\n"
    shell("sed -i.bak s/debug/info/ level", cwd=here).ok()
    assert shell("cat level level.bak; rm level.bak", cwd=here).ok().text == "info\ndebug\n"
    assert names(here) == before


def test_cp_and_mv_store(here: Path, mine: Settings, tmp_path: Path) -> None:
    new = tmp_path / "new"
    before = names(here)
    for command in (
        f"cp {new} level",
        f"cp -a {new} level",
        f"cp --remove-destination {new} level",
        f"mv {new} level",
        f"cp {new} new && mv new level",
        f"cp {new} new && mv -f new level",
        f"rsync --inplace {new} level" if shell("command -v rsync").status == 0 else f"cat {new} > level",
        f"rsync {new} level" if shell("command -v rsync").status == 0 else f"dd if={new} of=level",
    ):
        for value in ("debug", "info"):
            new.write_text(f"{value}\n")
            new.chmod(0o644)
            assert shell(command, cwd=here).ok().err == b"" or command.startswith("dd"), command
            assert mine.level == value, command
            assert (here / "level").read_text() == f"{value}\n", command
            assert names(here) == before, command
    new.write_text("bad\n")
    for command in (f"cp {new} level", f"mv {new} level"):
        assert "Invalid argument" in shell(command, cwd=here).error
        assert mine.level == "info"
        assert (here / "level").read_text() == "info\n"


VIM = """if True:
    # What vim does, read from a trace: see buf_write() of its source for the order.
    import errno, os, sys
    name, new, how = sys.argv[1:]
    swap = os.open(f".{name}.swp", os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
    os.pwrite(swap, b"b0VIM" + bytes(4091), 0)
    old = open(name).read()
    probe = os.open("4913", os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o100644)
    os.fchown(probe, os.getuid(), os.getgid())
    os.stat("4913"), os.close(probe), os.unlink("4913")
    backup = name + "~"
    mode = os.stat(name).st_mode
    if how == "no":
        os.rename(name, backup)
    else:
        copy = os.open(backup, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode & 0o777)
        os.write(copy, old.encode()), os.fchmod(copy, mode & 0o777), os.close(copy)
        stamps = os.stat(name)
        os.utime(backup, (stamps.st_atime, stamps.st_mtime))
    fd = os.open(name, os.O_WRONLY | os.O_CREAT | (os.O_TRUNC if how == "yes" else 0), mode & 0o777)
    try:
        if how == "yes":
            os.ftruncate(fd, 0)
        os.write(fd, new.encode())
        os.fsync(fd)
        os.close(fd)
    except OSError as error:
        print(errno.errorcode[error.errno])
        if how == "no":
            os.rename(backup, name)
        else:
            fd = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            os.write(fd, old.encode()), os.close(fd), os.unlink(backup)
    else:
        os.stat(name)
        os.chmod(name, mode & 0o777)
        assert open(backup).read() == old, open(backup).read()
        os.unlink(backup)
        print("written")
    os.close(swap), os.unlink(f".{name}.swp")
    """


def edit(here: Path, name: str, new: str, how: str) -> Completed:
    return python("-c", VIM, name, new, how, cwd=here).ok()


@pytest.mark.parametrize("how", ["no", "yes"])
def test_the_system_calls_of_vim(here: Path, mine: Settings, how: str) -> None:
    before = names(here)
    level = mine["level"]
    for value in ("debug", "info") * 3:
        assert edit(here, "level", f"{value}\n", how).text == "written\n"
        assert mine.level == value
        assert shell("cat level", cwd=here).ok().text == f"{value}\n"
    assert edit(here, "level", "shout\n", how).text == "EINVAL\n"
    assert mine.level == "info"
    assert edit(here, "tags.json", '{"z": 26}\n', how).text == "written\n"
    assert mine.tags == {"z": 26}
    for _ in range(8):  # the copy is renamed back, which must not be the same file to the kernel by then
        assert edit(here, "tags.json", "{bad\n", how).text == "EINVAL\n"
        assert mine.tags == {"z": 26}
        assert names(here) == before
    assert edit(here, "motd", "new\n", how).text == "written\n"
    assert (
        shell("cat motd level tags.json", cwd=here).ok().text
        == f"new\ninfo\n{json.dumps(mine.tags, indent=2)}\n"
    )
    assert names(here) == before
    assert mine["level"] is level


def test_a_name_leads_to_the_entry_from_the_moment_of_the_rename_on(here: Path, mine: Settings) -> None:
    """The kernel takes the renamed file for the entry until it is told; whoever opens it must not notice."""
    program = """if True:
        import os
        for turn in range(300):
            value = ("debug\\n", "info\\n")[turn % 2]
            with open("new", "w") as file:
                file.write(value)
            os.rename("new", "level")
            with open("level") as file:
                assert file.read() == value, turn
            other = ("info\\n", "debug\\n")[turn % 2]
            with open("new", "w") as file:
                file.write(value)
            os.rename("new", "level")
            with open("level", "w") as file:
                file.write(other)
            with open("level") as file:
                assert file.read() == other, turn
        """
    python("-c", program, cwd=here).ok()
    assert mine.level == "debug"


def test_what_cannot_be_written_is_neither_replaced_nor_removed(here: Path, mine: Settings) -> None:
    for command in (
        "mv -f new fixed",
        "rm -f fixed",
        "mv now x",
        "rm -f readme",
        "sed -i s/3/4/ fixed",
        "mkdir x",
    ):
        assert "Read-only file system" in shell(f"echo 4 > new; {command}", cwd=here).error, command
    shell("rm new", cwd=here).ok()
    assert names(here) == sorted(mine)


def test_git_merges_patch_and_ed_work(here: Path, mine: Settings) -> None:
    patch = "--- motd\n+++ motd\n@@ -1 +1 @@\n-hello\n+patched\n"
    if shell("command -v patch").status == 0:
        shell("patch --no-backup-if-mismatch motd", cwd=here, stdin=patch.encode()).ok()
    else:
        shell("sed -i s/hello/patched/ motd", cwd=here).ok()
    assert shell("cat motd", cwd=here).ok().text == "patched\n"
    shell("perl -i -pe s/patched/perl/ motd", cwd=here).ok()
    assert shell("cat motd", cwd=here).ok().text == "perl\n"
    shell("git config -f motd.ini user.name me && git config -f motd.ini user.name you", cwd=here).ok()
    assert "you" in shell("cat motd.ini; rm motd.ini", cwd=here).ok().text
