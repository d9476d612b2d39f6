"""Mounts whose server died: how they are recognised, named and cleared.

When a file system's process is killed, the kernel keeps its mount: every use answers "Transport endpoint is
not connected" until somebody unmounts it.  This file reads the kernel's own list of mounts before it touches
the mountpoint, since touching a dead mount fails and touching a hung one blocks.

Rule 1: nothing here touches a mountpoint that the kernel lists as a FUSE mount, except the probe.
Rule 2: the probe runs in a thread of its own with a time limit; a mount that does not answer is alive, only
slow.
Rule 3: `clear_stale_mounts` unmounts what the probe found dead, and nothing else.
"""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import threading

from fusetree.errors import MountError, StaleMountError
from fusetree.server.mountinfo import MountInfo, topmost

# Long enough for a loaded machine to answer a statfs, short enough that a person does not wonder.
PROBE_SECONDS = 2.0

# The kernel stacks mounts; a server that was killed and started again many times leaves several.
_MOST_STACKED = 64

# ENOTCONN is what a dead server's mount answers, ECONNABORTED one whose connection was aborted by hand.
DEAD = frozenset({errno.ENOTCONN, errno.ECONNABORTED})


def is_fuse(entry: MountInfo) -> bool:
    """Whether a FUSE server stands behind a mount."""
    return entry.fstype in ("fuse", "fuseblk") or entry.fstype.startswith(("fuse.", "fuseblk."))


def find_mount(mountpoint: str | os.PathLike[str]) -> MountInfo | None:
    """What is mounted at exactly this path: the uppermost one, or None.

    The mountpoint itself is not touched, so this never blocks on a hung or dead mount there.
    """
    absolute = os.path.abspath(mountpoint)
    parent, name = os.path.split(absolute)
    path = os.path.join(os.path.realpath(parent), name) if name else absolute
    return topmost(path)


def probe(path: str, seconds: float = PROBE_SECONDS) -> OSError | None:
    """The error that the file system at *path* answers with; None when it is well, and also when it did not
    answer within *seconds*.
    """
    return ask(path, seconds)[0]


def ask(path: str, seconds: float = PROBE_SECONDS) -> tuple[OSError | None, bool]:
    """Ask the file system at *path* for its statistics, which no kernel answers from a cache.

    Returns:
        The error that it answered with, None when it is well; and whether it answered within *seconds*.
    """
    errors: list[OSError] = []

    def look() -> None:
        try:
            os.statvfs(path)
        except OSError as error:
            errors.append(error)

    thread = threading.Thread(target=look, name="fusetree-probe", daemon=True)
    thread.start()
    thread.join(seconds)
    return (errors[0] if errors else None), not thread.is_alive()


def is_stale(mountpoint: str | os.PathLike[str]) -> bool:
    """Whether a FUSE mount stands at *mountpoint* whose server is gone."""
    entry = find_mount(mountpoint)
    if entry is None or not is_fuse(entry):
        return False
    error = probe(entry.mountpoint)
    return error is not None and error.errno in DEAD


def unmount_command(mountpoint: str, *, lazy: bool = False) -> list[str]:
    """The command that unmounts a FUSE mount for the user who runs this process."""
    helper = shutil.which("fusermount3") or shutil.which("fusermount")
    if helper is not None:
        return [helper, "-u", *(["-z"] if lazy else []), "--", mountpoint]
    return ["umount", *(["-l"] if lazy else []), "--", mountpoint]


def stale_error(mountpoint: str) -> StaleMountError:
    """The error that says how to get rid of a dead mount."""
    command = "fusermount3 -u" if shutil.which("fusermount3") else "umount"
    return StaleMountError(
        errno.ENOTCONN,
        f"the server of an earlier mount died and left it behind; clear it with `{command} {mountpoint}`, "
        f"or give clear_stale=True to mount(), --clear-stale to `fusetree mount`",
        mountpoint,
    )


def unmount(mountpoint: str, *, lazy: bool = False) -> None:
    """Unmount a FUSE mount from outside, as `fusermount3 -u` does.

    Arguments:
        mountpoint: where it is mounted.
        lazy: take it out of the tree at once even if it is in use.

    Raises:
        MountError: it could not be unmounted; the text is what the command said.
    """
    command = unmount_command(mountpoint, lazy=lazy)
    try:
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    except OSError as error:
        raise MountError(error.errno, f"cannot run {command[0]}: {error.strerror}", mountpoint) from error
    if done.returncode != 0:
        said = done.stderr.strip() or f"{command[0]} ended with status {done.returncode}"
        code = errno.EBUSY if "busy" in said else errno.EPERM
        raise MountError(code, f"cannot unmount: {said}", mountpoint)


def clear_stale_mounts(mountpoint: str | os.PathLike[str]) -> int:
    """Unmount every dead FUSE mount that is stacked at *mountpoint*; live ones are left alone.

    Returns:
        How many were cleared.

    Raises:
        MountError: one of them could not be unmounted.
    """
    cleared = 0
    while cleared < _MOST_STACKED and is_stale(mountpoint):
        entry = find_mount(mountpoint)
        if entry is None:
            break
        # Lazily: a shell whose working directory is in the dead mount would hold it otherwise.
        unmount(entry.mountpoint, lazy=True)
        cleared += 1
    return cleared
