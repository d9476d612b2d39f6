"""The mountpoint and the machine, looked at before libfuse is asked to mount.

libfuse and fusermount3 say what they dislike on stderr, in words for people who know them.  Each check here
finds one of those refusals beforehand and says what to do.  Nothing is changed: what passes may still be
refused by the kernel, and that refusal is a `MountError` too.

Not refused: a directory that is not empty.  What is in it is hidden while the mount stands and is there again
after it, as with every mount on Linux.
"""

from __future__ import annotations

import errno
import os
import shutil
import stat

from fusetree.errors import MountError
from fusetree.mounting.options import MountOptions
from fusetree.mounting.stale import clear_stale_mounts, find_mount, is_fuse, probe, stale_error

DEVICE = "/dev/fuse"
FUSE_CONF = "/etc/fuse.conf"


def absolute(mountpoint: str | os.PathLike[str]) -> str:
    """The mountpoint as an absolute path, so that a later `os.chdir` cannot change what is unmounted.

    Raises:
        TypeError: it is not a path.
        ValueError: it is empty or holds NUL.
    """
    path = os.fspath(mountpoint)
    if not isinstance(path, str):
        raise TypeError(f"the mountpoint is a str or a path, not {path!r}")
    if not path or "\0" in path:
        raise ValueError(f"the mountpoint {path!r} is no path")
    return os.path.abspath(path)


def prepare(mountpoint: str, options: MountOptions, *, clear_stale: bool) -> None:
    """Check that *mountpoint* can be mounted on.

    Arguments:
        mountpoint: an absolute path.
        options: what is to be mounted.
        clear_stale: unmount what an earlier, dead server left there.

    Raises:
        StaleMountError: a dead mount is there and *clear_stale* is False.
        MountError: anything else that would make mounting fail; `errno` says which kind.
    """
    check_stacked(mountpoint, clear_stale=clear_stale)
    check_directory(mountpoint)
    check_device()
    if os.geteuid() != 0:
        check_unprivileged(mountpoint, options)


def check_stacked(mountpoint: str, *, clear_stale: bool) -> None:
    """Refuse to mount over another FUSE mount: a dead one is cleared on request, a live one is somebody's.

    A mountpoint of another kind (a tmpfs, a bind mount) is no trouble.
    """
    if clear_stale:
        clear_stale_mounts(mountpoint)
    entry = find_mount(mountpoint)
    if entry is None or not is_fuse(entry):
        return
    error = probe(entry.mountpoint)
    if error is not None and error.errno in (errno.ENOTCONN, errno.ECONNABORTED):
        raise stale_error(mountpoint)
    raise MountError(
        errno.EBUSY,
        f"{entry.source} ({entry.fstype}) is mounted there already; "
        f"unmount it first: fusermount3 -u {mountpoint}",
        mountpoint,
    )


def check_directory(mountpoint: str) -> None:
    """The mountpoint must be a directory that is there."""
    try:
        status = os.stat(mountpoint)
    except FileNotFoundError as error:
        raise MountError(
            errno.ENOENT, f"the mountpoint is not there; make it first: mkdir -p {mountpoint}", mountpoint
        ) from error
    except OSError as error:
        if error.errno == errno.ENOTCONN:
            raise stale_error(mountpoint) from error
        raise MountError(
            error.errno, f"cannot look at the mountpoint: {error.strerror}", mountpoint
        ) from error
    if not stat.S_ISDIR(status.st_mode):
        raise MountError(errno.ENOTDIR, "the mountpoint is not a directory", mountpoint)


def check_device() -> None:
    """`/dev/fuse` must be there and open to us."""
    if not os.path.exists(DEVICE):
        raise MountError(
            errno.ENODEV,
            "the FUSE device is missing; load the kernel module (modprobe fuse), "
            "or give the container the device and the right to mount "
            "(--device /dev/fuse --cap-add SYS_ADMIN)",
            DEVICE,
        )
    if not os.access(DEVICE, os.R_OK | os.W_OK):
        raise MountError(
            errno.EACCES, "the FUSE device is closed to this user; as root: chmod 666 /dev/fuse", DEVICE
        )


def check_unprivileged(mountpoint: str, options: MountOptions) -> None:
    """What fusermount3 asks of a user who is not root."""
    if helper() is None:
        raise MountError(
            errno.ENOENT,
            "fusermount3 is needed to mount without being root; install the package fuse3",
            mountpoint,
        )
    status = os.stat(mountpoint)
    if status.st_mode & stat.S_ISVTX and status.st_uid != os.getuid():
        raise MountError(
            errno.EPERM,
            "only its owner may mount on a directory with the sticky bit, such as /tmp",
            mountpoint,
        )
    if not os.access(mountpoint, os.W_OK):
        raise MountError(errno.EACCES, "only who may write to a directory may mount on it", mountpoint)
    if options.shared and not user_allow_other():
        raise MountError(
            errno.EPERM,
            f"letting other users in needs the line `user_allow_other` in {FUSE_CONF}",
            mountpoint,
        )


def helper() -> str | None:
    """Where fusermount3 is: libfuse looks in its own place first, then on PATH."""
    usual = "/usr/bin/fusermount3"
    return usual if os.access(usual, os.X_OK) else shutil.which("fusermount3")


def user_allow_other(path: str = FUSE_CONF) -> bool:
    """Whether the machine's owner lets users share their mounts with others."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return any(line.partition("#")[0].strip() == "user_allow_other" for line in file)
    except OSError:  # no such file, or closed to us: fusermount3 takes both as "no"
        return False
