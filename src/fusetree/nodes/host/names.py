"""What programs do to names of a host directory, as system calls on its descriptor.

Rule 1: each is one system call with the rights of who asks; what the host answers is the answer.
Rule 2: what has changed besides, counts of links and times, is asked for anew the next time.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from typing import TYPE_CHECKING, Final

from fusetree.nodes.callers import caller
from fusetree.nodes.host.acting import as_caller
from fusetree.nodes.host.calls import rename
from fusetree.nodes.host.inodes import key_of
from fusetree.nodes.host.opened import flags_below
from fusetree.nodes.host.tree import check_name
from fusetree.nodes.observers import Change
from fusetree.nodes.refusals import refused

if TYPE_CHECKING:
    from collections.abc import Callable

    from fusetree.nodes.base import Node
    from fusetree.nodes.host.descriptors import Descriptor
    from fusetree.nodes.host.directory import HostDir
    from fusetree.nodes.host.member import HostMember

__all__ = ["create", "link", "mkdir", "mknod", "move", "nameless", "symlink", "unlink"]

_ATTRIBUTES: Final = Change.ATTRIBUTES
_RENAME_EXCHANGE: Final = 2


def _place(directory: HostDir, name: str) -> bytes:
    """A name that may be made or removed there."""
    directory._host_.must_write()
    place = check_name(name)
    if not directory._shows_(name):
        raise refused(errno.EPERM)
    return place


def _known(directory: HostDir, descriptor: Descriptor, name: bytes) -> HostMember | None:
    """The node that has a name, if anybody knows it."""
    with contextlib.suppress(OSError):
        found = os.stat(name, dir_fd=descriptor, follow_symlinks=False)
        return directory._host_.known(key_of(found))
    return None


def _permissions(descriptor: Descriptor, mode: int) -> tuple[int, bool]:
    """The permission bits of a new file, and whether it must have just those.

    The caller's umask is taken off, unless the directory has an ACL for what is new in it, which counts
    instead (acl(5)): the host knows then. Our own umask must count for nobody but us.
    """
    asking = caller()
    if asking is None:
        return mode, False
    try:
        os.getxattr(descriptor.path, "system.posix_acl_default")
    except OSError:
        return mode & ~asking.umask, True
    return mode, False


def _grant(path: str, found: os.stat_result, wanted: int, uid: int) -> None:
    """Give a new file the bits that our own umask took away.

    It is done with our own rights, which keep a set-group-id bit, so only where it is sure to be the new
    one: the caller's own, who could grant no more.
    """
    missing = wanted & 0o777 & ~found.st_mode
    if missing and found.st_uid == uid:
        os.chmod(path, stat.S_IMODE(found.st_mode) | missing)


def create(directory: HostDir, name: str, mode: int, flags: int) -> Descriptor:
    """Make and open a regular file; EEXIST if there is anything of that name."""
    place = _place(directory, name)
    descriptor = directory._inode_.descriptor()
    allowed, exact = _permissions(descriptor, mode)
    how = flags_below(flags) | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
    with as_caller():
        made = directory._host_.finder.open(lambda: os.open(place, how, allowed, dir_fd=descriptor))
        uid = os.geteuid()
    if exact:
        _grant(made.path, os.fstat(made), allowed, uid)
    directory._tell_(Change.ALL)
    return made


def nameless(directory: HostDir, mode: int, flags: int) -> Descriptor:
    """Make and open a regular file that has no name; EOPNOTSUPP where the host has none such."""
    directory._host_.must_write()
    descriptor = directory._inode_.descriptor()
    allowed, exact = _permissions(descriptor, mode)
    how = flags_below(flags) | os.O_TMPFILE | flags & os.O_EXCL
    path = descriptor.path
    with as_caller():
        made = directory._host_.finder.open(lambda: os.open(path, how, allowed))
        uid = os.geteuid()
    if exact:
        _grant(made.path, os.fstat(made), allowed, uid)
    return made


def _make(
    directory: HostDir, name: str, mode: int, function: Callable[[bytes, int, Descriptor], None]
) -> None:
    """Make what cannot be opened while it is made."""
    place = _place(directory, name)
    descriptor = directory._inode_.descriptor()
    allowed, exact = _permissions(descriptor, mode)
    with as_caller():
        function(place, allowed, descriptor)
        uid = os.geteuid()
    if exact and allowed & 0o777:
        made = directory._host_.finder.see(descriptor, place)
        found = os.fstat(made)
        if stat.S_IFMT(found.st_mode) == (stat.S_IFMT(allowed) or stat.S_IFDIR):
            _grant(made.path, found, allowed, uid)
    directory._tell_(Change.ALL)


def mkdir(directory: HostDir, name: str, mode: int) -> None:
    """mkdir(2)."""

    def make(place: bytes, allowed: int, descriptor: Descriptor) -> None:
        os.mkdir(place, allowed, dir_fd=descriptor)

    _make(directory, name, mode & 0o1777, make)


def mknod(directory: HostDir, name: str, mode: int, rdev: int) -> None:
    """mknod(2); *mode* has the file type."""

    def make(place: bytes, allowed: int, descriptor: Descriptor) -> None:
        os.mknod(place, allowed, rdev, dir_fd=descriptor)

    _make(directory, name, mode, make)


def symlink(directory: HostDir, name: str, target: str) -> None:
    """symlink(2)."""
    place = _place(directory, name)
    descriptor = directory._inode_.descriptor()
    with as_caller():
        os.symlink(target.encode("utf-8", "surrogateescape"), place, dir_fd=descriptor)
    directory._tell_(Change.ALL)


def link(directory: HostDir, name: str, node: Node) -> None:
    """link(2); EXDEV for what is not of this host directory."""
    place = _place(directory, name)
    descriptor = directory._inode_.descriptor()
    member = directory._host_.behind(node)
    if member is None:
        raise refused(errno.EXDEV)
    path = member._inode_.descriptor().path
    with as_caller():
        # With a descriptor for the folder os.link calls linkat(2), which follows /proc's link and no other.
        os.link(path, place, dst_dir_fd=descriptor, follow_symlinks=True)
    if not member._inode_.stat.st_nlink:
        member._is_at_(directory, place)  # its first name
    member._tell_(_ATTRIBUTES)
    directory._tell_(Change.ALL)


def unlink(directory: HostDir, name: str, *, is_directory: bool) -> None:
    """unlink(2), or rmdir(2)."""
    place = _place(directory, name)
    descriptor = directory._inode_.descriptor()
    gone = _known(directory, descriptor, place)
    if gone is not None:
        with contextlib.suppress(OSError):
            gone._inode_.descriptor()  # who has it open goes on, without a name to find it by
    with as_caller():
        (os.rmdir if is_directory else os.unlink)(place, dir_fd=descriptor)
    if gone is not None:
        gone._tell_(_ATTRIBUTES)
    directory._tell_(Change.ALL)


def move(source: HostDir, name: str, target: HostDir, new_name: str, flags: int) -> None:
    """renameat2(2)."""
    old, new = _place(source, name), _place(target, new_name)
    source_descriptor = source._inode_.descriptor()
    target_descriptor = target._inode_.descriptor()
    moving = _known(source, source_descriptor, old)
    replaced = _known(target, target_descriptor, new)
    if replaced is not None:
        with contextlib.suppress(OSError):
            replaced._inode_.descriptor()
    with as_caller():
        rename(source_descriptor, old, target_descriptor, new, flags)
    if moving is not None:
        moving._is_at_(target, new)
        moving._tell_(_ATTRIBUTES)
    if replaced is not None:
        if flags & _RENAME_EXCHANGE:
            replaced._is_at_(source, old)
        replaced._tell_(_ATTRIBUTES)
    source._tell_(Change.ALL)
    if target is not source:
        target._tell_(Change.ALL)
