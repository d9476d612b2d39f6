"""Ending a connection from outside: whoever waits in it is woken.

The kernel has a control file for each connection, below `/sys/fs/fuse/connections`
(Documentation/filesystems/fuse.rst), where the file system `fusectl` is mounted, which writes for the user
who mounted and for root.
"""

from __future__ import annotations

import ctypes
import errno
import os
import select

_MNT_FORCE = 1  # umount2(2), linux/fs.h

CONNECTIONS = "/sys/fs/fuse/connections"


def is_connected(fd: int) -> bool:
    """Whether the kernel still speaks on *fd*, an open FUSE device."""
    poll = select.poll()
    poll.register(fd, 0)
    return not poll.poll(0)


def abort_by_control_file(device: str) -> bool:
    """End the connection of the mount with the number *device* ("major:minor", as in mountinfo).

    :returns: whether that was possible: without a control file system it is not.
    """
    try:
        with open(f"{CONNECTIONS}/{device.partition(':')[2]}/abort", "w", encoding="ascii") as control:
            control.write("1")
    except OSError:
        return False
    return True


def abort_by_force(mountpoint: str) -> bool:
    """End the connection of what is mounted at *mountpoint*, and unmount it if nobody uses it: umount2(2)
    with MNT_FORCE, which is for root.

    :returns: whether the kernel let us.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    with_force = libc.umount2
    with_force.argtypes = [ctypes.c_char_p, ctypes.c_int]
    # EBUSY: somebody uses it; its connection has ended all the same.
    return with_force(os.fsencode(mountpoint), _MNT_FORCE) == 0 or ctypes.get_errno() == errno.EBUSY
