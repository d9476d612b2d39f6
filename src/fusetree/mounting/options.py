"""How a tree is mounted: what every mount can be asked for (`server.options`), and what only a tree can.

Safe defaults (`default_permissions`, `nosuid`, `nodev`) are there unless somebody asked otherwise by name.
"""

from __future__ import annotations

from typing import Any

import attrs

from fusetree.server.options import KernelOptions, is_flag, is_label, is_seconds, split_options

__all__ = ["MountOptions", "split_options"]


def _is_worker_count(instance: object, attribute: attrs.Attribute[int], value: object) -> None:
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"workers is an int, not {value!r}")
    if value < 1:
        raise ValueError(f"workers={value}: at least one handler must be able to run")


def _is_bound(instance: object, attribute: attrs.Attribute[int | None], value: object) -> None:
    if value is None:
        return
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"max_cached_nodes is an int or None, not {value!r}")
    if value < 1:
        raise ValueError(f"max_cached_nodes={value}: the kernel must be able to know one node at least")


def _is_keeper(instance: object, attribute: attrs.Attribute[str], value: object) -> None:
    if value not in ("kernel", "program"):
        raise ValueError(f'locks is "kernel" or "program", not {value!r}')


def _is_passthrough(instance: object, attribute: attrs.Attribute[Any], value: object) -> None:
    if not isinstance(value, bool) and value != "auto":
        raise TypeError(f'passthrough is True, False or "auto", not {value!r}')


@attrs.frozen(kw_only=True)
class MountOptions(KernelOptions):
    """Everything that `mount()` can be told, checked.

    Attributes:
        kernel_cache: let the kernel cache declared nodes until they change.  False: nothing is cached at all.
        workers: how many handlers may run at the same time.
        strict: an exception in a handler that is a bug (not an `OSError`) is raised out of the mount.
        coherence_wait: how many seconds a change may wait until the kernel has been told of it.
        max_cached_nodes: how many nodes the kernel may know, or not many more; None: any number.
        locks: who keeps the locks of files: "kernel" or "program".
        passthrough: the kernel reads and writes files of the host by itself; "auto": where it can.
        events: changes that the program makes are announced to those who watch (inotify(7)).
        ro: mounted read-only; the kernel refuses every write with EROFS.
        allow_other: other users may use the mount.
        default_permissions: the kernel checks mode, owner and group.
        suid: set-user-id bits count.  Only root can ask for it.
        dev: device nodes work.  Only root can ask for it.
        auto_unmount: fusermount3 stays beside the server, and unmounts when that has died.
        max_read: how many bytes a read asks for at most; None: as many as the kernel likes.
        fsname: what is shown as the device in `mount` and `df`.
        subtype: what follows `fuse.` in the file system type.
        extra: further options, each one as after `mount -o`.  They win over the defaults: `suid`, `dev`,
            `rw`, `fsname=...`, `subtype=...`.
    """

    kernel_cache: bool = attrs.field(default=True, validator=is_flag)
    workers: int = attrs.field(default=8, validator=_is_worker_count)
    strict: bool = attrs.field(default=False, validator=is_flag)
    coherence_wait: float = attrs.field(default=0.1, validator=is_seconds)
    max_cached_nodes: int | None = attrs.field(default=None, validator=_is_bound)
    locks: str = attrs.field(default="kernel", validator=_is_keeper)
    passthrough: bool | str = attrs.field(default=False, validator=_is_passthrough)
    events: bool = attrs.field(default=False, validator=is_flag)
    default_permissions: bool = attrs.field(default=True, validator=is_flag)
    fsname: str = attrs.field(default="fusetree", validator=is_label)
    subtype: str = attrs.field(default="fusetree", validator=is_label)

    def __attrs_post_init__(self) -> None:
        if self.passthrough is True and not self.kernel_cache:
            raise ValueError(
                "passthrough and no kernel caching contradict each other: without caching, every system call "
                "is a request"
            )
        if self.events and self.read_only:
            raise ValueError(
                "events=True and ro=True contradict each other: the kernel makes events of what is done "
                "through the mount, and a read-only one refuses that. Leave ro out: what a tree does not "
                "allow is refused anyway"
            )
