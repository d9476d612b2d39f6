"""Where a session is mounted, and whether it still is."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from fusetree.server import mountinfo
from fusetree.server.aborting import abort_by_control_file, abort_by_force, is_connected

if TYPE_CHECKING:
    from fusetree._lowlevel.connection import Connection


class Place:
    """A mountpoint with a session's mount on it.

    :param mountpoint: an absolute path.
    :raises MountError: it could not be mounted there.
    """

    def __init__(self, connection: Connection, mountpoint: str) -> None:
        self._connection = connection
        self._mountpoint = mountpoint
        # Resolved before it is mounted: a stat of the mountpoint after that would be a request that nobody
        # answers yet.
        resolved = os.path.realpath(mountpoint)
        connection.mount(mountpoint)
        seen = mountinfo.topmost(resolved)
        self._mount_id = None if seen is None else seen.mount_id  # None: not mounted any more
        self._device = None if seen is None else seen.device  # "major:minor"

    def is_mounted(self) -> bool:
        """Whether what is at the mountpoint is this session's mount, and not somebody's that came later."""
        if self._mount_id is None:
            return False
        return any(mount.mount_id == self._mount_id for mount in mountinfo.mounts())

    def look(self) -> None:
        """Note when it is gone: the kernel gives the number of a mount that is gone to the next one."""
        if not self.is_mounted():
            self._mount_id = None

    @property
    def is_connected(self) -> bool:
        """Whether the kernel still speaks with the session; if not, the device's number may be another
        mount's by now.
        """
        return is_connected(self._connection.fileno())

    def abort(self) -> bool:
        """End the connection by the kernel's control file; whether that was possible."""
        return self._device is not None and abort_by_control_file(self._device)

    def free_waiters(self) -> None:
        """End the connection by whatever may be done, since handlers do not end.

        A notification, of whatever thread, may be in the kernel behind one of them: it cannot be interrupted
        and keeps the device open, so closing that would end nothing, and this process could not even be
        killed.
        """
        if self.is_mounted() and not self.abort():
            abort_by_force(self._mountpoint)
