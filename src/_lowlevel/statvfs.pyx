# cython: language_level=3
"""What a handler says of the file system: StatvfsData, which *is* the C struct that libfuse sends (``struct
statvfs``), so replying copies nothing.
"""

from libc.string cimport memset


cdef class StatvfsData:
    """What statfs(2) tells of the file system; all fields 0 unless set.

    ``f_blocks``, ``f_bfree`` and ``f_bavail`` count units of ``f_frsize`` bytes (statvfs(3)); ``f_bsize`` is
    the preferred size of reads and writes; ``f_files``, ``f_ffree``, ``f_favail`` count inodes; ``f_namemax``
    is the longest name in bytes.
    """

    def __cinit__(self, *args, **kwargs):
        memset(&self.c_statvfs, 0, sizeof(self.c_statvfs))

    def __init__(self):
        pass                                # takes no arguments; a subclass's own may

    @property
    def f_bsize(self) -> int:
        """Preferred size of reads and writes, in bytes."""
        return self.c_statvfs.f_bsize

    @f_bsize.setter
    def f_bsize(self, value) -> None:
        self.c_statvfs.f_bsize = value

    @property
    def f_frsize(self) -> int:
        """Unit of the block counts, in bytes."""
        return self.c_statvfs.f_frsize

    @f_frsize.setter
    def f_frsize(self, value) -> None:
        self.c_statvfs.f_frsize = value

    @property
    def f_blocks(self) -> int:
        """All blocks."""
        return self.c_statvfs.f_blocks

    @f_blocks.setter
    def f_blocks(self, value) -> None:
        self.c_statvfs.f_blocks = value

    @property
    def f_bfree(self) -> int:
        """Free blocks."""
        return self.c_statvfs.f_bfree

    @f_bfree.setter
    def f_bfree(self, value) -> None:
        self.c_statvfs.f_bfree = value

    @property
    def f_bavail(self) -> int:
        """Free blocks for users without privilege."""
        return self.c_statvfs.f_bavail

    @f_bavail.setter
    def f_bavail(self, value) -> None:
        self.c_statvfs.f_bavail = value

    @property
    def f_files(self) -> int:
        """All inodes."""
        return self.c_statvfs.f_files

    @f_files.setter
    def f_files(self, value) -> None:
        self.c_statvfs.f_files = value

    @property
    def f_ffree(self) -> int:
        """Free inodes."""
        return self.c_statvfs.f_ffree

    @f_ffree.setter
    def f_ffree(self, value) -> None:
        self.c_statvfs.f_ffree = value

    @property
    def f_favail(self) -> int:
        """Free inodes for users without privilege."""
        return self.c_statvfs.f_favail

    @f_favail.setter
    def f_favail(self, value) -> None:
        self.c_statvfs.f_favail = value

    @property
    def f_namemax(self) -> int:
        """Longest name, in bytes."""
        return self.c_statvfs.f_namemax

    @f_namemax.setter
    def f_namemax(self, value) -> None:
        self.c_statvfs.f_namemax = value

    def __getstate__(self) -> dict[str, int]:
        return {name: getattr(self, name) for name in STATVFS_NAMES}

    def __setstate__(self, state: dict[str, int]) -> None:
        for name, value in state.items():
            setattr(self, name, value)

    def __reduce__(self):
        return (type(self), (), self.__getstate__())


STATVFS_NAMES = (
    "f_bsize", "f_frsize", "f_blocks", "f_bfree", "f_bavail", "f_files", "f_ffree", "f_favail", "f_namemax",
)
