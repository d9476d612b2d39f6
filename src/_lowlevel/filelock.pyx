# cython: language_level=3
"""FileLock: a lock of fcntl(2) on a range of a file (struct flock)."""

import os

from libc.string cimport memset

from fusetree._lowlevel.libfuse.posix cimport F_RDLCK, F_UNLCK, F_WRLCK

cdef dict TYPE_NAMES = {F_RDLCK: "F_RDLCK", F_WRLCK: "F_WRLCK", F_UNLCK: "F_UNLCK"}


cdef class FileLock:
    """A lock on a range of a file, as fcntl(2) has them.  Read-only.

    :param type: ``fcntl.F_RDLCK`` (shared), ``F_WRLCK`` (exclusive) or ``F_UNLCK`` (none).
    :param start: first byte of the range, from the beginning of the file.
    :param length: bytes; 0: to the end of the file, however long it gets.
    :param pid: process that holds the lock, for who asks with F_GETLK.
    :param owner: whose lock it is: two locks of one owner never conflict.  The kernel gives a number to each
        owner, which is a process (or an open file, for F_OFD_SETLK); the process id is no identity.
    :raises ValueError: no such type, or a range that cannot be.
    """

    def __init__(self, type, start=0, length=0, pid=0, owner=0):
        if type not in TYPE_NAMES:
            raise ValueError(f"lock type must be F_RDLCK, F_WRLCK or F_UNLCK, not {type!r}")
        if start < 0 or length < 0:
            raise ValueError(f"a lock of {length} bytes at {start}: neither may be negative")
        memset(&self.c_lock, 0, sizeof(self.c_lock))
        self.c_lock.l_type = type
        self.c_lock.l_whence = os.SEEK_SET
        self.c_lock.l_start = start
        self.c_lock.l_len = length
        self.c_lock.l_pid = pid
        self.owner = owner

    @staticmethod
    cdef FileLock wrap(const c_flock *lock, uint64_t owner):
        cdef FileLock self = FileLock.__new__(FileLock)
        self.c_lock = lock[0]
        self.owner = owner
        return self

    @property
    def type(self) -> int:
        """F_RDLCK, F_WRLCK or F_UNLCK."""
        return self.c_lock.l_type

    @property
    def start(self) -> int:
        """First byte of the range."""
        return self.c_lock.l_start

    @property
    def length(self) -> int:
        """Bytes; 0: to the end of the file, however long it gets."""
        return self.c_lock.l_len

    @property
    def pid(self) -> int:
        """The process that holds it; only to be shown."""
        return self.c_lock.l_pid

    def overlaps(self, FileLock other not None) -> bool:
        """Whether the two ranges have a byte in common."""
        return (
            (self.c_lock.l_len == 0 or other.c_lock.l_start - self.c_lock.l_start < self.c_lock.l_len)
            and (other.c_lock.l_len == 0 or self.c_lock.l_start - other.c_lock.l_start < other.c_lock.l_len)
        )

    def conflicts(self, FileLock other not None) -> bool:
        """Whether the two can not be held at the same time: other owners, ranges that overlap, one of them
        exclusive."""
        return (
            self.owner != other.owner
            and (self.c_lock.l_type == F_WRLCK or other.c_lock.l_type == F_WRLCK)
            and self.c_lock.l_type != F_UNLCK
            and other.c_lock.l_type != F_UNLCK
            and self.overlaps(other)
        )

    cdef tuple values(self):
        return (self.type, self.start, self.length, self.pid, self.owner)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, FileLock):
            return NotImplemented
        return self.values() == (<FileLock>other).values()

    def __hash__(self) -> int:
        return hash(self.values())

    def __reduce__(self):
        return (type(self), self.values())

    def __repr__(self) -> str:
        name = TYPE_NAMES.get(self.type, self.type)
        where = f"start={self.start} length={self.length}"
        return f"<FileLock {name} {where} pid={self.pid} owner={self.owner:#x}>"
