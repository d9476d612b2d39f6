# cython: language_level=3
"""What a handler says of an inode, and is told to set: EntryAttributes, SetattrFields.

The former *is* the C struct that libfuse sends (``struct fuse_entry_param``), so replying copies nothing.
This file knows nothing of requests, sessions or nodes.
"""

from cpython.long cimport PyLong_AsLongLongAndOverflow, PyLong_CheckExact
from libc.string cimport memset

from fusetree._lowlevel.libfuse.lowlevel cimport (
    FUSE_SET_ATTR_ATIME,
    FUSE_SET_ATTR_ATIME_NOW,
    FUSE_SET_ATTR_CTIME,
    FUSE_SET_ATTR_GID,
    FUSE_SET_ATTR_MODE,
    FUSE_SET_ATTR_MTIME,
    FUSE_SET_ATTR_MTIME_NOW,
    FUSE_SET_ATTR_SIZE,
    FUSE_SET_ATTR_UID,
)
from fusetree._lowlevel.libfuse.posix cimport CLOCK_REALTIME, c_stat, clock_gettime, timespec

from _pickle import PicklingError

cdef enum:
    S_IFREG = 0o100000

cdef long long NANOS_PER_SECOND = 1_000_000_000
cdef long long MOST_SECONDS = 9_000_000_000         # so many have less than 2**63 nanoseconds


cdef inline object ns_of(const timespec *ts):
    if -MOST_SECONDS < ts.tv_sec < MOST_SECONDS:
        return ts.tv_sec * NANOS_PER_SECOND + ts.tv_nsec
    return (<object>ts.tv_sec) * (<object>NANOS_PER_SECOND) + ts.tv_nsec


cdef int set_ns(timespec *ts, object value) except -1:
    # Floor division, so that times before 1970 keep 0 <= tv_nsec < 10**9.
    cdef int overflow = 0
    cdef long long ns, whole
    if PyLong_CheckExact(value):
        ns = PyLong_AsLongLongAndOverflow(value, &overflow)
        if not overflow:
            whole = ns // NANOS_PER_SECOND
            ts.tv_nsec = ns - whole * NANOS_PER_SECOND
            ts.tv_sec = whole
            return 0
    # A float (programs multiply seconds), and what does not fit into 63 bits, in Python's numbers.
    seconds = value // <object>NANOS_PER_SECOND
    ts.tv_nsec = value - seconds * <object>NANOS_PER_SECOND
    ts.tv_sec = seconds
    return 0


cdef class EntryAttributes:
    """Attributes of one inode, and how long the kernel may cache them.

    A handler makes one, fills it and returns it.  ``st_ino`` is the inode number *and* the identity under
    which the kernel knows the inode: it must be stable while the lookup count is above zero, and must not be
    0, except as the answer of ``lookup`` for a name that does not exist and may be cached as missing for
    ``entry_timeout`` seconds.

    Defaults: a regular file (``S_IFREG``, no permission bits), ``st_nlink`` 1, ``st_blksize`` 4096, both
    timeouts 300.0 s, everything else 0.  ``st_blocks`` counts units of 512 bytes (stat(2)).  Of a number with
    a fraction the whole part is taken.
    """

    def __cinit__(self, *args, **kwargs):
        memset(&self.c_entry, 0, sizeof(self.c_entry))
        self.c_entry.attr.st_mode = S_IFREG
        self.c_entry.attr.st_nlink = 1
        self.c_entry.attr.st_blksize = 4096
        self.c_entry.attr_timeout = 300.0
        self.c_entry.entry_timeout = 300.0

    def __init__(self):
        pass                                # takes no arguments; a subclass's own may

    @property
    def st_ino(self) -> int:
        """Inode number; identity of the inode towards the kernel."""
        return self.c_entry.ino

    @st_ino.setter
    def st_ino(self, value) -> None:
        self.c_entry.ino = value
        self.c_entry.attr.st_ino = self.c_entry.ino

    @property
    def generation(self) -> int:
        """Generation of the inode number: together they are unique for ever (needed by NFS export)."""
        return self.c_entry.generation

    @generation.setter
    def generation(self, value) -> None:
        self.c_entry.generation = value

    @property
    def entry_timeout(self) -> float:
        """Seconds for which the kernel may cache that the name leads here."""
        return self.c_entry.entry_timeout

    @entry_timeout.setter
    def entry_timeout(self, value) -> None:
        self.c_entry.entry_timeout = value

    @property
    def attr_timeout(self) -> float:
        """Seconds for which the kernel may cache the attributes."""
        return self.c_entry.attr_timeout

    @attr_timeout.setter
    def attr_timeout(self, value) -> None:
        self.c_entry.attr_timeout = value

    @property
    def st_mode(self) -> int:
        """File type and permission bits."""
        return self.c_entry.attr.st_mode

    @st_mode.setter
    def st_mode(self, value) -> None:
        self.c_entry.attr.st_mode = value

    @property
    def st_nlink(self) -> int:
        """Number of names of the inode."""
        return self.c_entry.attr.st_nlink

    @st_nlink.setter
    def st_nlink(self, value) -> None:
        self.c_entry.attr.st_nlink = value

    @property
    def st_uid(self) -> int:
        """Owner."""
        return self.c_entry.attr.st_uid

    @st_uid.setter
    def st_uid(self, value) -> None:
        self.c_entry.attr.st_uid = value

    @property
    def st_gid(self) -> int:
        """Group."""
        return self.c_entry.attr.st_gid

    @st_gid.setter
    def st_gid(self, value) -> None:
        self.c_entry.attr.st_gid = value

    @property
    def st_rdev(self) -> int:
        """Device number of a special file."""
        return self.c_entry.attr.st_rdev

    @st_rdev.setter
    def st_rdev(self, value) -> None:
        self.c_entry.attr.st_rdev = value

    @property
    def st_size(self) -> int:
        """Size in bytes."""
        return self.c_entry.attr.st_size

    @st_size.setter
    def st_size(self, value) -> None:
        self.c_entry.attr.st_size = value

    @property
    def st_blksize(self) -> int:
        """Preferred size of reads and writes, in bytes."""
        return self.c_entry.attr.st_blksize

    @st_blksize.setter
    def st_blksize(self, value) -> None:
        self.c_entry.attr.st_blksize = value

    @property
    def st_blocks(self) -> int:
        """Space taken, in units of 512 bytes."""
        return self.c_entry.attr.st_blocks

    @st_blocks.setter
    def st_blocks(self, value) -> None:
        self.c_entry.attr.st_blocks = value

    @property
    def st_atime_ns(self) -> int:
        """Last access, in nanoseconds since 1970-01-01 UTC."""
        return ns_of(&self.c_entry.attr.st_atim)

    @st_atime_ns.setter
    def st_atime_ns(self, value) -> None:
        set_ns(&self.c_entry.attr.st_atim, value)

    @property
    def st_mtime_ns(self) -> int:
        """Last change of the content, in nanoseconds since 1970-01-01 UTC."""
        return ns_of(&self.c_entry.attr.st_mtim)

    @st_mtime_ns.setter
    def st_mtime_ns(self, value) -> None:
        set_ns(&self.c_entry.attr.st_mtim, value)

    @property
    def st_ctime_ns(self) -> int:
        """Last change of the inode, in nanoseconds since 1970-01-01 UTC."""
        return ns_of(&self.c_entry.attr.st_ctim)

    @st_ctime_ns.setter
    def st_ctime_ns(self, value) -> None:
        set_ns(&self.c_entry.attr.st_ctim, value)

    @property
    def st_birthtime_ns(self) -> int:
        """Always 0: FUSE on Linux has no place for it; setting it is accepted and has no effect."""
        return 0

    @st_birthtime_ns.setter
    def st_birthtime_ns(self, value) -> None:
        value // 1                          # a TypeError for what is no number

    def __getstate__(self) -> dict[str, object]:
        return {name: getattr(self, name) for name in ATTRIBUTE_NAMES}

    def __setstate__(self, state: dict[str, object]) -> None:
        for name, value in state.items():
            setattr(self, name, value)

    def __reduce__(self):
        return (type(self), (), self.__getstate__())

    def __repr__(self) -> str:
        return (
            f"<EntryAttributes ino={self.st_ino} mode=0o{self.st_mode:o} nlink={self.st_nlink} "
            f"size={self.st_size} entry_timeout={self.entry_timeout} attr_timeout={self.attr_timeout}>"
        )


ATTRIBUTE_NAMES = (
    "st_ino", "generation", "entry_timeout", "attr_timeout", "st_mode", "st_nlink", "st_uid", "st_gid",
    "st_rdev", "st_size", "st_blksize", "st_blocks", "st_atime_ns", "st_mtime_ns", "st_ctime_ns",
    "st_birthtime_ns",
)


cdef EntryAttributes attributes_to_set(const c_stat *stat, int to_set):
    """The new values of a SETATTR request; "now" is resolved here, so that handlers see plain times."""
    cdef EntryAttributes attr = EntryAttributes.__new__(EntryAttributes)
    cdef timespec now
    attr.c_entry.attr = stat[0]
    if to_set & (FUSE_SET_ATTR_ATIME_NOW | FUSE_SET_ATTR_MTIME_NOW):
        clock_gettime(CLOCK_REALTIME, &now)
        if to_set & FUSE_SET_ATTR_ATIME_NOW:
            attr.c_entry.attr.st_atim = now
        if to_set & FUSE_SET_ATTR_MTIME_NOW:
            attr.c_entry.attr.st_mtim = now
    return attr


cdef class SetattrFields:
    """Which attributes a ``setattr`` request asks to change.  Read-only."""

    @staticmethod
    cdef SetattrFields wrap(int to_set):
        cdef SetattrFields fields = SetattrFields.__new__(SetattrFields)
        fields.c_to_set = to_set
        return fields

    @property
    def update_atime(self) -> bool:
        """Whether ``st_atime_ns`` is to be set."""
        return (self.c_to_set & (FUSE_SET_ATTR_ATIME | FUSE_SET_ATTR_ATIME_NOW)) != 0

    @property
    def update_mtime(self) -> bool:
        """Whether ``st_mtime_ns`` is to be set."""
        return (self.c_to_set & (FUSE_SET_ATTR_MTIME | FUSE_SET_ATTR_MTIME_NOW)) != 0

    @property
    def update_ctime(self) -> bool:
        """Whether ``st_ctime_ns`` is to be set."""
        return (self.c_to_set & FUSE_SET_ATTR_CTIME) != 0

    @property
    def update_mode(self) -> bool:
        """Whether ``st_mode`` is to be set."""
        return (self.c_to_set & FUSE_SET_ATTR_MODE) != 0

    @property
    def update_uid(self) -> bool:
        """Whether ``st_uid`` is to be set."""
        return (self.c_to_set & FUSE_SET_ATTR_UID) != 0

    @property
    def update_gid(self) -> bool:
        """Whether ``st_gid`` is to be set."""
        return (self.c_to_set & FUSE_SET_ATTR_GID) != 0

    @property
    def update_size(self) -> bool:
        """Whether ``st_size`` is to be set."""
        return (self.c_to_set & FUSE_SET_ATTR_SIZE) != 0

    def __reduce__(self):
        raise PicklingError("SetattrFields belongs to one request and can not be pickled or copied")

    def __repr__(self) -> str:
        names = ("atime", "mtime", "ctime", "mode", "uid", "gid", "size")
        return f"<SetattrFields {' '.join(name for name in names if getattr(self, 'update_' + name))}>"
