"""Mounting: from a tree of nodes to a mounted file system, and unmounted on every way out.

==============  ==================================================================================
``options``     what can be asked for, checked
``mountpoint``  the place and the machine, looked at beforehand
``stale``       what a killed server leaves behind
``loops``       `async with mount(...)`: in an event loop
``mounted``     mount() and Mount: in the background of a program that does something else
``foreground``  run(): a program that does nothing else
==============  ==================================================================================

It promises that whoever mounted also unmounts: at the end of the `with` block, after an exception, at the
interpreter's exit, after a signal (`run`), and never in a forked child.
"""

from fusetree.errors import MountError as MountError, StaleMountError as StaleMountError
from fusetree.mounting.foreground import run as run
from fusetree.mounting.mounted import Mount as Mount, mount as mount
from fusetree.mounting.options import MountOptions as MountOptions
from fusetree.mounting.stale import (
    clear_stale_mounts as clear_stale_mounts,
    is_stale as is_stale,
    unmount as unmount,
)

__all__ = [
    "Mount",
    "MountError",
    "MountOptions",
    "StaleMountError",
    "clear_stale_mounts",
    "is_stale",
    "mount",
    "run",
    "unmount",
]
