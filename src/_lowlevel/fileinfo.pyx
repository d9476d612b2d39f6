# cython: language_level=3
"""FileInfo: what open and create tell the kernel of an open file (the settable half of ``struct
fuse_file_info``)."""


from fusetree._lowlevel.libfuse.common cimport ft_noflush, ft_set_backing, fuse_file_info


cdef class FileInfo:
    """How the kernel shall treat a file that a handler just opened.

    :param fh: file handle, an unsigned 64-bit number that comes back with every request on this open file.
    :param direct_io: bypass the page cache: every read(2) and write(2) becomes a request, sizes are not
        trusted.
    :param keep_cache: keep what the page cache already holds of this inode.
    :param nonseekable: lseek(2) fails with ESPIPE.
    :param cache_readdir: (opendir) the kernel may cache the listing.
    :param noflush: no FLUSH request at close(2).
    :param backing_id: what ``Session.open_backing`` gave for a file: the kernel reads, writes and maps that
        one, and asks no more; *keep_cache* is without effect then.  All open files of an inode must say the
        same.  0: none.
    """

    def __init__(
            self, fh=0, direct_io=False, keep_cache=True, nonseekable=False, *, cache_readdir=False,
            noflush=False, backing_id=0):
        self.fh = fh
        self.direct_io = direct_io
        self.keep_cache = keep_cache
        self.nonseekable = nonseekable
        self.cache_readdir = cache_readdir
        self.noflush = noflush
        self.backing_id = backing_id

    cdef void apply(self, fuse_file_info *fi) noexcept nogil:
        fi.fh = self.fh
        fi.direct_io = self.direct_io
        # What is passed through is not in the page cache, and the kernel refuses an open that says both.
        fi.keep_cache = self.keep_cache and self.backing_id == 0
        fi.nonseekable = self.nonseekable
        fi.cache_readdir = self.cache_readdir
        ft_noflush(fi, self.noflush)
        ft_set_backing(fi, self.backing_id)

    def __repr__(self) -> str:
        return f"<FileInfo fh={self.fh} direct_io={self.direct_io} keep_cache={self.keep_cache}>"
