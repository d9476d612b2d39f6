"""What the kernel says of mounts: /proc/self/mountinfo (proc_pid_mountinfo(5)).

Reading it sends no request into any file system, so it is safe on a dead mount and inside a handler.
"""

from __future__ import annotations

import os
import re
from typing import NamedTuple

_ESCAPE = re.compile(rb"\\([0-7]{3})")


class MountInfo(NamedTuple):
    """One line of mountinfo."""

    mount_id: int
    mountpoint: str
    fstype: str
    source: str
    device: str  #: "major:minor", unique among the mounts that live


def _unescape(field: bytes) -> str:
    return os.fsdecode(_ESCAPE.sub(lambda match: bytes([int(match[1], 8)]), field))


def mounts() -> list[MountInfo]:
    """All mounts that this process sees, in the order in which they were mounted on one another."""
    found = []
    with open("/proc/self/mountinfo", "rb") as file:
        for line in file:
            fields = line.split()
            separator = fields.index(b"-", 6)
            found.append(
                MountInfo(
                    int(fields[0]),
                    _unescape(fields[4]),
                    _unescape(fields[separator + 1]),
                    _unescape(fields[separator + 2]),
                    fields[2].decode(),
                )
            )
    return found


def topmost(mountpoint: str) -> MountInfo | None:
    """The mount that is seen at the absolute path *mountpoint*, or None when nothing is mounted there."""
    last = None
    for mount in mounts():
        if mount.mountpoint == mountpoint:
            last = mount
    return last
