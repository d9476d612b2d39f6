"""What a file system, a kernel or a user may lack without breaking a rule; asked by trying it out.

Each probe tries the plainest use of its feature.  Whatever error it meets means that the feature is not
there, and the error's name is told with the checks that are skipped for it.
"""

from __future__ import annotations

import errno
import fcntl
import mmap
import os
import stat
import time
from collections.abc import Callable

from fusetree.testing.posix import syscalls
from fusetree.testing.posix.expect import Unsupported, error_name
from fusetree.testing.posix.place import USER, Place

Probe = Callable[[Place], None]

_probes: dict[str, Probe] = {}  # filled below, at import


def _feature(name: str) -> Callable[[Probe], Probe]:
    def add(probe: Probe) -> Probe:
        _probes[name] = probe
        return probe

    return add


class Features:
    """What the file system at *directory* offers; each is tried once.

    :param directory: a directory that the caller may write in.
    :param required: features that must be there: where one is not, :meth:`require` lets the check run, which
        then fails with the error that comes.
    """

    def __init__(self, directory: str | os.PathLike[str], required: frozenset[str] = frozenset()) -> None:
        self._directory = directory
        self._required = required
        self._lacking: dict[str, str | None] = {}
        self._granularity: float | None = None

    def lack(self, feature: str) -> str | None:
        """Why *feature* is not there; None when it is."""
        if feature not in self._lacking:
            self._lacking[feature] = self._try(_probes[feature])
        return self._lacking[feature]

    def require(self, feature: str) -> None:
        """:raises Unsupported: the feature is not there, and need not be."""
        reason = self.lack(feature)
        if reason is not None and feature not in self._required:
            raise Unsupported(f"not supported: {feature} ({reason})")

    @property
    def granularity(self) -> float:
        """Seconds between timestamps that the file system can tell apart: 1.1 where it keeps whole seconds,
        else 0.
        """
        if self._granularity is None:
            self._granularity = self._measure()
        return self._granularity

    def _try(self, probe: Probe) -> str | None:
        with Place.make(self._directory, self) as place:
            try:
                probe(place)
            except OSError as error:
                return error_name(error)
            except Unsupported as error:
                return str(error)
        return None

    def _measure(self) -> float:
        with Place.make(self._directory, self) as place:
            for number in range(5):
                if os.lstat(place.file(f"f{number}")).st_ctime_ns % 1_000_000_000:
                    return 0.0
                time.sleep(0.01)
        return 1.1


def feature_names() -> tuple[str, ...]:
    """The names of all features."""
    return tuple(_probes)


@_feature("root")
def _root(place: Place) -> None:
    if os.geteuid() != 0:
        raise Unsupported("the caller is not root")


@_feature("other users")
def _other_users(place: Place) -> None:
    _root(place)
    path = place.file()
    try:
        place.as_user(lambda: os.stat(path), USER)
    except PermissionError as error:
        raise Unsupported("others cannot enter; is the mount missing allow_other?") from error


@_feature("permission checks")
def _permission_checks(place: Place) -> None:
    """A mount without ``default_permissions`` may leave them to its handlers, which leave them out."""
    _other_users(place)
    path = place.file("private", mode=0o600)
    try:
        os.close(place.as_user(lambda: os.open(path, os.O_RDONLY), USER))
    except PermissionError:
        return
    raise Unsupported("anybody may open a file of mode 0600")


@_feature("hard links")
def _hard_links(place: Place) -> None:
    os.link(place.file(), place / "l")


@_feature("symbolic links")
def _symbolic_links(place: Place) -> None:
    place.symlink("target")


@_feature("named pipes")
def _named_pipes(place: Place) -> None:
    place.fifo()


@_feature("sockets")
def _sockets(place: Place) -> None:
    place.socket()


@_feature("devices")
def _devices(place: Place) -> None:
    os.mknod(place / "n", stat.S_IFCHR | 0o600, os.makedev(1, 3))


@_feature("opening devices")
def _opening_devices(place: Place) -> None:
    """The mount option nodev forbids it."""
    os.mknod(place / "n", stat.S_IFCHR | 0o600, os.makedev(1, 3))
    os.close(os.open(place / "n", os.O_RDWR))


@_feature("changing owners")
def _changing_owners(place: Place) -> None:
    _root(place)
    os.chown(place.file(), USER, USER)


@_feature("rename flags")
def _rename_flags(place: Place) -> None:
    syscalls.renameat2(place.file("a"), place / "b", syscalls.RENAME_NOREPLACE)


@_feature("rename exchange")
def _rename_exchange(place: Place) -> None:
    syscalls.renameat2(place.file("a"), place.file("b"), syscalls.RENAME_EXCHANGE)


@_feature("user xattrs")
def _user_xattrs(place: Place) -> None:
    path = place.file()
    os.setxattr(path, "user.a", b"1")
    os.getxattr(path, "user.a")


@_feature("trusted xattrs")
def _trusted_xattrs(place: Place) -> None:
    os.setxattr(place.file(), "trusted.a", b"1")


@_feature("ACLs")
def _acls(place: Place) -> None:
    # version 2: user_obj rwx, group_obj r-x, other r-x; each entry is tag, perm, id
    entries = b"".join(
        tag.to_bytes(2, "little") + perm.to_bytes(2, "little") + b"\xff" * 4
        for tag, perm in ((1, 7), (4, 5), (0x20, 5))
    )
    os.setxattr(place.dir(), "system.posix_acl_default", (2).to_bytes(4, "little") + entries)


def _fallocate(mode: int) -> Probe:
    def probe(place: Place) -> None:
        place.file(data=b"x" * 16384)
        syscalls.fallocate(place.open("f"), mode, 4096, 4096)

    return probe


_probes["fallocate"] = _fallocate(0)
_probes["fallocate keep size"] = _fallocate(syscalls.FALLOC_FL_KEEP_SIZE)
_probes["punch hole"] = _fallocate(syscalls.FALLOC_FL_PUNCH_HOLE | syscalls.FALLOC_FL_KEEP_SIZE)
_probes["zero range"] = _fallocate(syscalls.FALLOC_FL_ZERO_RANGE)


@_feature("holes")
def _holes(place: Place) -> None:
    """SEEK_HOLE must find a hole, not only the end that it may always tell."""
    place.file()
    fd = place.open("f")
    os.pwrite(fd, b"x", 1 << 22)
    if os.lseek(fd, 0, os.SEEK_HOLE) != 0:
        raise Unsupported("a hole is told as data")


@_feature("seek data")
def _seek_data(place: Place) -> None:
    place.file(data=b"x")
    os.lseek(place.open("f"), 0, os.SEEK_DATA)


@_feature("temporary files")
def _temporary_files(place: Place) -> None:
    place.open(".", os.O_TMPFILE | os.O_RDWR)


@_feature("direct I/O")
def _direct_io(place: Place) -> None:
    place.file(data=bytes(4096))
    place.open("f", os.O_RDONLY | os.O_DIRECT)


@_feature("record locks")
def _record_locks(place: Place) -> None:
    place.file()
    fcntl.fcntl(place.open("f"), fcntl.F_SETLK, syscalls.lock_request(fcntl.F_WRLCK))


@_feature("open file description locks")
def _ofd_locks(place: Place) -> None:
    place.file()
    fcntl.fcntl(place.open("f"), syscalls.F_OFD_SETLK, syscalls.lock_request(fcntl.F_WRLCK))


@_feature("flock")
def _flock(place: Place) -> None:
    place.file()
    fcntl.flock(place.open("f"), fcntl.LOCK_EX | fcntl.LOCK_NB)


@_feature("shared mappings")
def _shared_mappings(place: Place) -> None:
    place.file(data=b"x" * 4096)
    mmap.mmap(place.open("f"), 4096, mmap.MAP_SHARED).close()


@_feature("copy_file_range")
def _copy_file_range(place: Place) -> None:
    place.file("a", b"x")
    place.file("b")
    os.copy_file_range(place.open("a"), place.open("b"), 1)


@_feature("another file system")
def _another_file_system(place: Place) -> None:
    if elsewhere(place) is None:
        raise OSError(errno.ENODEV, "no writable file system but this one")


def elsewhere(place: Place) -> str | None:
    """A directory on another file system in which the caller may write; None where there is none."""
    here = place.stat().st_dev
    for folder in ("/dev/shm", "/tmp", "/var/tmp", os.path.expanduser("~")):
        try:
            if os.stat(folder).st_dev != here and os.access(folder, os.W_OK | os.X_OK):
                return folder
        except OSError:
            continue  # not there: the next one
    return None
