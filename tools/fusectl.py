"""FUSE mounts of this machine: list them, wake who hangs in them, take them away.

Nothing here touches a mounted file system itself, not even with stat(2): its server may be dead or hanging,
and who asks it would hang too. What is known of mounts comes from /proc, and a connection is ended
through the control file system below /sys/fs/fuse/connections.
"""

from __future__ import annotations

import ctypes
import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

CONNECTIONS = Path("/sys/fs/fuse/connections")

_MNT_FORCE = 1
_MNT_DETACH = 2


@dataclass(frozen=True)
class FuseMount:
    """One FUSE mount: where it is, which connection serves it, and what it says of itself."""

    mountpoint: str
    connection: int
    fs_type: str
    source: str


def fuse_mounts(under: str | os.PathLike[str] | None = None) -> list[FuseMount]:
    """The FUSE mounts of this process's mount namespace, at or below *under*, outermost first."""
    found = []
    for line in Path("/proc/self/mountinfo").read_bytes().splitlines():
        before, _, after = os.fsdecode(line).partition(" - ")
        fields, (fs_type, source, *_) = before.split(" "), after.split(" ")
        if fs_type not in ("fuse", "fuseblk") and not fs_type.startswith("fuse."):
            continue
        found.append(
            FuseMount(
                mountpoint=_unescaped(fields[4]),
                connection=int(fields[2].partition(":")[2]),
                fs_type=fs_type,
                source=_unescaped(source),
            )
        )
    if under is not None:
        top = os.path.realpath(os.path.dirname(os.path.abspath(under)))
        top = os.path.join(top, os.path.basename(os.path.abspath(under)))
        found = [mount for mount in found if f"{mount.mountpoint}/".startswith(f"{top}/")]
    return found


def control_files_are_mounted() -> bool:
    """Whether connections have control files here. Without them only root can end a connection."""
    mounts = Path("/proc/self/mounts").read_bytes().splitlines()
    return any(line.split()[1:3] == [os.fsencode(CONNECTIONS), b"fusectl"] for line in mounts)


def abort(mount: FuseMount) -> bool:
    """End the connection of *mount*: whoever waits in it gets ECONNABORTED. Tells whether it could."""
    try:
        (CONNECTIONS / str(mount.connection) / "abort").write_text("1")
    except OSError:
        # No control file system, or not our mount: forcing an unmount aborts as well, but takes root.
        return _umount2(mount.mountpoint, _MNT_FORCE | _MNT_DETACH)
    return True


def detach(mountpoint: str | os.PathLike[str]) -> bool:
    """Take the mount away, lazily: at once from the tree, and wholly when nobody uses it any more."""
    path = os.fspath(mountpoint)
    if _umount2(path, _MNT_DETACH):
        return True
    answer = subprocess.run(["fusermount3", "-uzq", path], stdin=subprocess.DEVNULL, check=False, timeout=20)
    return answer.returncode == 0


def clear(under: str | os.PathLike[str]) -> list[FuseMount]:
    """Abort and detach every FUSE mount at or below *under*; returns what there was."""
    found = fuse_mounts(under)
    for mount in reversed(found):
        abort(mount)
        detach(mount.mountpoint)
    return found


def _umount2(path: str, flags: int) -> bool:
    status: int = ctypes.CDLL(None).umount2(os.fsencode(path), flags)
    return status == 0


def _unescaped(field: str) -> str:
    """A field of mountinfo, in which blanks and backslashes are written as octal numbers."""
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), field)
