"""A mount that nobody serves: whoever asks it for anything waits until its connection is aborted."""

from __future__ import annotations

import array
import ctypes
import os
import socket
import subprocess
from pathlib import Path


def mount_unserved(mountpoint: Path) -> int:
    """Mount at *mountpoint* and answer no request, ever; returns the descriptor that keeps the connection
    alive.

    Closing it ends the connection. Works as root and, through fusermount3, as anybody else.
    """
    if os.geteuid() == 0:
        device = os.open("/dev/fuse", os.O_RDWR | os.O_CLOEXEC)
        data = f"fd={device},rootmode=40000,user_id=0,group_id=0".encode()
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.mount(b"unserved", os.fsencode(mountpoint), b"fuse", 0, data) != 0:
            os.close(device)
            raise OSError(ctypes.get_errno(), f"mount: {os.strerror(ctypes.get_errno())}")
        return device
    ours, theirs = socket.socketpair()
    with ours, theirs:
        subprocess.run(
            ["fusermount3", "-o", "fsname=unserved", "--", str(mountpoint)],
            env={**os.environ, "_FUSE_COMMFD": str(theirs.fileno())},
            pass_fds=[theirs.fileno()],
            check=True,
        )
        received = array.array("i")
        _, ancillary, _, _ = ours.recvmsg(1, socket.CMSG_LEN(received.itemsize))
        received.frombytes(ancillary[0][2][: received.itemsize])
        return received[0]
