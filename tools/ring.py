"""Runs a ring of tests where it can leave nothing behind, as root or as an unprivileged user.

    python -m tools.ring [--unprivileged] [--limit SECONDS] -- COMMAND ARGUMENT...

As root, COMMAND runs in a mount namespace of its own: what it mounts ends with it, and what is arranged for
it here is seen by nobody else. So there is nothing to restore, even if this process is killed:

* `--unprivileged` runs COMMAND as the user `nobody`. Where /dev/fuse is closed to users, an open one is
  mounted over it. Where the checkout, .venv or the interpreter lie below a folder that is closed to users,
  an empty folder is mounted over that one, with only what is needed in it. What cannot be read even so is
  copied.
* FUSE mounts of others are detached in the namespace, which would otherwise keep them alive.

Where no namespace is to be had (in a chroot, for one), COMMAND runs in the one there is, /dev/fuse is
opened with chmod if it must be, and closed again on every way out. As an ordinary user COMMAND just runs,
`--unprivileged` or not.

The exit status is COMMAND's; 1 if it left a FUSE mount behind; 124 if it took longer than the limit, in
which case the connections of its mounts are aborted first, for a process that hangs in its own mount cannot
be killed. Nor can it end: when COMMAND has been about to for some seconds, they are aborted too.
"""

from __future__ import annotations

import argparse
import os
import pwd
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import FrameType

from tools.fusectl import CONNECTIONS, abort, control_files_are_mounted, detach, fuse_mounts

DEVICE = Path("/dev/fuse")
MTAB = Path("/etc/mtab")
UNREAD = {".git", ".hypothesis", ".mypy_cache", ".pytest_cache", ".ruff_cache", "__pycache__"}
LINGERING = 5.0  # seconds that a process may take from its exit or SIGKILL to its end
INSIDE = "FUSETREE_RING_NAMESPACE"  # set in the environment of the copy of this process in the namespace


def main() -> int:
    """Run the command of the command line; returns its exit status."""
    parser = argparse.ArgumentParser(prog="tools.ring")
    parser.add_argument("--unprivileged", action="store_true", help="run COMMAND as nobody")
    parser.add_argument("--limit", type=float, default=900, help="seconds that COMMAND may take (900)")
    parser.add_argument("command", nargs="+", metavar="COMMAND")
    arguments = parser.parse_args()

    as_root = os.geteuid() == 0
    inside = os.environ.pop(INSIDE, None) is not None
    if as_root and not inside:
        if _run("unshare", "--mount", "true").returncode == 0:
            os.environ[INSIDE] = "1"
            namespace = ["unshare", "--mount", "--propagation", "private", "--"]
            os.execvp("unshare", [*namespace, sys.executable, "-m", "tools.ring", *sys.argv[1:]])
        say("no mount namespace of our own is to be had here; running in the common one")

    signal.signal(signal.SIGTERM, _leave)
    signal.signal(signal.SIGHUP, _leave)
    with ExitStack() as stack:
        if inside:
            _forget_mounts_of_others()
        if as_root:
            stack.enter_context(_control_files())
        if as_root and arguments.unprivileged:
            return stack.enter_context(_Unprivileged(inside)).call(arguments.command, arguments.limit)
        return call(arguments.command, arguments.limit)


def call(command: list[str], limit: float, user: pwd.struct_passwd | None = None) -> int:
    """Run *command*, as *user* if given, for *limit* seconds at most; returns the exit status to end with."""
    before = {mount.connection for mount in fuse_mounts()}
    if user is None:
        child = subprocess.Popen(command, start_new_session=True)
    else:
        child = subprocess.Popen(
            command, start_new_session=True, user=user.pw_uid, group=user.pw_gid, extra_groups=[]
        )
    try:
        status = _wait(child, limit, before)
    except subprocess.TimeoutExpired:
        say(f"not done after {limit:.0f} s: aborting its mounts and ending it")
        status = 124
    finally:
        left = [mount for mount in fuse_mounts() if mount.connection not in before]
        if child.poll() is None:
            for mount in left:
                abort(mount)
            _end(child)
        for mount in left:
            say(f"left mounted: {mount.mountpoint} ({mount.source})")
            abort(mount)
            detach(mount.mountpoint)
    if left and status == 0:
        status = 1
    return status if status >= 0 else 128 - status


def _wait(child: subprocess.Popen[bytes], limit: float, before: set[int]) -> int:
    """The status of *child*, after *limit* seconds at most (else TimeoutExpired). If it can not end since it
    waits for its own mount, what was mounted after *before* is aborted.
    """
    end = time.monotonic() + limit
    ending_since = None
    while True:
        try:
            return child.wait(max(0.0, min(0.5, end - time.monotonic())))
        except subprocess.TimeoutExpired:
            now = time.monotonic()
            if now >= end:
                raise
            if not _is_ending(child.pid):
                ending_since = None
            elif ending_since is None:
                ending_since = now
            elif now - ending_since > LINGERING:
                say("it hangs in its own mount at its end: aborting its mounts")
                for mount in fuse_mounts():
                    if mount.connection not in before:
                        abort(mount)
                ending_since = None


def _is_ending(pid: int) -> bool:
    """Whether a process has been killed, or has called exit, and its first thread still does something: the
    kernel sends SIGKILL to the threads of a process that ends.
    """
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return False
    pending = dict(line.split(":", 1) for line in lines)["SigPnd"]
    return bool(int(pending, 16) & 1 << (signal.SIGKILL - 1))


class _Unprivileged:
    """What an unprivileged user needs to run the tests; as a context manager, for as long as it is needed."""

    def __init__(self, private: bool) -> None:
        self._private = private  # whether this mount namespace is our own
        self._user = pwd.getpwnam("nobody")
        self._stack = ExitStack()
        # Below /tmp whatever TMPDIR says, for that may be closed to others.
        self._folder = Path(tempfile.mkdtemp(prefix="ring-", dir="/tmp"))

    def __enter__(self) -> _Unprivileged:
        self._stack.callback(_remove, self._folder)
        self._folder.chmod(0o755)
        self._home = self._folder / "home"
        self._home.mkdir()
        os.chown(self._home, self._user.pw_uid, self._user.pw_gid)
        try:
            self._stack.enter_context(self._open_device())
            self._stack.enter_context(_mtab())
            self._make_readable()
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def call(self, command: list[str], limit: float) -> int:
        """Run *command* as the user, with a home and a temporary folder of its own."""
        os.environ.update(
            HOME=str(self._home),
            TMPDIR=str(self._home),
            USER=self._user.pw_name,
            LOGNAME=self._user.pw_name,
            PYTHONDONTWRITEBYTECODE="1",
            PYTEST_ADDOPTS=f"{os.environ.get('PYTEST_ADDOPTS', '')} -p no:cacheprovider".strip(),
            HYPOTHESIS_STORAGE_DIRECTORY=str(self._home / "hypothesis"),
        )
        return call(command, limit, self._user)

    @contextmanager
    def _open_device(self) -> Iterator[None]:
        """Within, everybody may open /dev/fuse."""
        if not DEVICE.exists() or stat.S_IMODE(DEVICE.stat().st_mode) & 0o006 == 0o006:
            yield
            return
        if self._private and self._mount_open_device():
            yield
            return
        mode = stat.S_IMODE(DEVICE.stat().st_mode)
        try:
            DEVICE.chmod(0o666)
            yield
        finally:
            DEVICE.chmod(mode)

    def _mount_open_device(self) -> bool:
        device = self._folder / "fuse"
        try:
            os.mknod(device, stat.S_IFCHR | 0o666, DEVICE.stat().st_rdev)
            device.chmod(0o666)
            os.close(os.open(device, os.O_RDWR))  # the file system may be nodev, the container may forbid it
        except OSError as error:
            say(f"no device file of our own is to be had ({error}); opening {DEVICE} itself meanwhile")
            return False
        return _run("mount", "--bind", str(device), str(DEVICE)).returncode == 0

    def _make_readable(self) -> None:
        """Make checkout, .venv and interpreter readable under the paths that they have."""
        needed = _needed_folders()
        unreadable = [path for path in needed if not _all_readable(path)]
        closed = _topmost({ancestor for path in needed for ancestor in path.parents if not _open(ancestor)})
        if not unreadable and not closed:
            return
        if not self._private:
            names = ", ".join(map(str, unreadable or closed))
            raise SystemExit(
                f"ring: {names} cannot be read by {self._user.pw_name}, and nothing can be arranged"
            )

        # Everything is brought to safety first: mounting over a closed folder hides what is below it.
        # The shelf is removed with rmdir only, which cannot reach into what is mounted there.
        shelf = Path(tempfile.mkdtemp(prefix="ring-", dir="/tmp"))
        self._stack.callback(shelf.rmdir)
        _must("mount", "-t", "tmpfs", "-o", "mode=0700", "tmpfs", str(shelf))
        shelved = {}
        for number, path in enumerate(needed):
            place = shelf / str(number)
            place.mkdir()
            if path in unreadable:
                say(f"copying {path}: {self._user.pw_name} could not read it")
                _copy_readable(path, place)
            else:
                _must("mount", "--bind", str(path), str(place))
            shelved[path] = place
        here = Path.cwd()
        for folder in closed:
            _must("mount", "-t", "tmpfs", "-o", "mode=0755", "tmpfs", str(folder))
        for path, place in shelved.items():
            path.mkdir(mode=0o755, parents=True, exist_ok=True)
            _must("mount", "--bind", str(place), str(path))
        _must("umount", "-l", str(shelf))  # the mounts made from it remain
        os.chdir(here)  # what was the working folder lies hidden below


@contextmanager
def _mtab() -> Iterator[None]:
    """Within, there is an /etc/mtab. Bare systems have none, and fusermount3 then unmounts nothing."""
    if os.path.lexists(MTAB):
        yield
        return
    MTAB.symlink_to("../proc/self/mounts")
    try:
        yield
    finally:
        MTAB.unlink(missing_ok=True)


def _needed_folders() -> list[Path]:
    """The checkout, .venv and the interpreter, and the folders of the links leading there; outermost only."""
    found = {Path.cwd(), Path(sys.prefix).resolve(), Path(sys.base_prefix).resolve()}
    link = Path(os.path.abspath(sys.executable))
    while link.is_symlink():
        link = Path(os.path.abspath(link.parent / link.readlink()))
        found.add(link.parent)
    return [path for path in _topmost(found) if not path.is_relative_to("/usr")]


def _topmost(paths: set[Path]) -> list[Path]:
    return sorted(path for path in paths if not any(other in paths for other in path.parents))


def _open(folder: Path) -> bool:
    return bool(folder.stat().st_mode & 0o001)


def _all_readable(top: Path) -> bool:
    """Whether everybody may read all below *top*, except what no test reads."""
    for folder, folders, files in os.walk(top):
        if os.stat(folder).st_mode & 0o005 != 0o005:
            return False
        folders[:] = [name for name in folders if name not in UNREAD]
        if any(os.lstat(os.path.join(folder, name)).st_mode & 0o004 == 0 for name in files):
            return False
    return True


def _copy_readable(source: Path, target: Path) -> None:
    def ignored(folder: str, names: list[str]) -> list[str]:
        return [name for name in names if name in UNREAD]

    shutil.copytree(source, target, symlinks=True, ignore=ignored, dirs_exist_ok=True)
    _must("chmod", "-R", "a+rX", str(target))


def _forget_mounts_of_others() -> None:
    """Detach the FUSE mounts that this namespace was born with, except those that we ourselves stand on."""
    needed = _needed_folders()
    for mount in reversed(fuse_mounts()):
        if not any(path.is_relative_to(mount.mountpoint) for path in needed):
            detach(mount.mountpoint)


@contextmanager
def _control_files() -> Iterator[None]:
    """Within, connections can be aborted: the control file system is mounted, where it is not already."""
    mounted = not control_files_are_mounted() and (
        _run("mount", "-t", "fusectl", "fusectl", str(CONNECTIONS)).returncode == 0
    )
    try:
        yield
    finally:
        if mounted:
            _run("umount", "-l", str(CONNECTIONS))


def _remove(folder: Path) -> None:
    """Remove *folder*, unless something is still mounted below: that is not ours to delete."""
    mounts = [os.fsdecode(line.split()[1]) for line in Path("/proc/self/mounts").read_bytes().splitlines()]
    if any(mount.startswith(f"{folder}/") for mount in mounts):
        say(f"{folder} stays: something is still mounted there")
        return
    shutil.rmtree(folder, ignore_errors=True)


def _end(child: subprocess.Popen[bytes]) -> None:
    """End *child* and all its group, the polite way first."""
    for number, patience in ((signal.SIGTERM, 5), (signal.SIGKILL, 10)):
        try:
            os.killpg(child.pid, number)
            child.wait(patience)
        except (ProcessLookupError, subprocess.TimeoutExpired):
            continue
        return


def _run(*command: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False)


def _must(*command: str) -> None:
    answer = _run(*command)
    if answer.returncode != 0:
        raise SystemExit(f"ring: {' '.join(command)}: {os.fsdecode(answer.stderr).strip()}")


def _leave(number: int, _frame: FrameType | None) -> None:
    raise SystemExit(128 + number)


def say(text: str) -> None:
    """One line about what is being arranged, on stderr."""
    print(f"ring: {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
