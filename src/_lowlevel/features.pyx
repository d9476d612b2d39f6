# cython: language_level=3
"""Which libfuse this was compiled against, which it runs with, and what they have."""

from fusetree._lowlevel.libfuse.common cimport (
    FT_HAVE_CUSTOM_IO,
    FT_HAVE_INCREMENT_EPOCH,
    FT_HAVE_PRUNE,
    FT_HAVE_REQUEST_TIMEOUT,
    FUSE_CAP_ASYNC_DIO,
    FUSE_CAP_ASYNC_READ,
    FUSE_CAP_ATOMIC_O_TRUNC,
    FUSE_CAP_AUTO_INVAL_DATA,
    FUSE_CAP_CACHE_SYMLINKS,
    FUSE_CAP_DIRECT_IO_ALLOW_MMAP,
    FUSE_CAP_DONT_MASK,
    FUSE_CAP_EXPIRE_ONLY,
    FUSE_CAP_EXPLICIT_INVAL_DATA,
    FUSE_CAP_EXPORT_SUPPORT,
    FUSE_CAP_FLOCK_LOCKS,
    FUSE_CAP_HANDLE_KILLPRIV,
    FUSE_CAP_HANDLE_KILLPRIV_V2,
    FUSE_CAP_IOCTL_DIR,
    FUSE_CAP_NO_EXPORT_SUPPORT,
    FUSE_CAP_NO_OPEN_SUPPORT,
    FUSE_CAP_NO_OPENDIR_SUPPORT,
    FUSE_CAP_OVER_IO_URING,
    FUSE_CAP_PARALLEL_DIROPS,
    FUSE_CAP_PASSTHROUGH,
    FUSE_CAP_POSIX_ACL,
    FUSE_CAP_POSIX_LOCKS,
    FUSE_CAP_READDIRPLUS,
    FUSE_CAP_READDIRPLUS_AUTO,
    FUSE_CAP_SETXATTR_EXT,
    FUSE_CAP_SPLICE_MOVE,
    FUSE_CAP_SPLICE_READ,
    FUSE_CAP_SPLICE_WRITE,
    FUSE_CAP_WRITEBACK_CACHE,
    FUSE_VERSION,
    fuse_pkgversion,
    fuse_version,
)
from fusetree._lowlevel.libfuse.lowlevel cimport FT_HAVE_STATX, FT_HAVE_SYNCFS, FT_HAVE_TMPFILE

#: Name of a capability (FUSE_CAP_* of fuse_common.h) -> its bit, 0 where it was not compiled, and the libfuse
#: that brought it.  3.10 is the oldest that there is.
CAPABILITIES = {
    "async_read": (FUSE_CAP_ASYNC_READ, (3, 10)),
    "posix_locks": (FUSE_CAP_POSIX_LOCKS, (3, 10)),
    "atomic_o_trunc": (FUSE_CAP_ATOMIC_O_TRUNC, (3, 10)),
    "export": (FUSE_CAP_EXPORT_SUPPORT, (3, 10)),
    "dont_mask": (FUSE_CAP_DONT_MASK, (3, 10)),
    "splice_write": (FUSE_CAP_SPLICE_WRITE, (3, 10)),
    "splice_move": (FUSE_CAP_SPLICE_MOVE, (3, 10)),
    "splice_read": (FUSE_CAP_SPLICE_READ, (3, 10)),
    "flock_locks": (FUSE_CAP_FLOCK_LOCKS, (3, 10)),
    "ioctl_dir": (FUSE_CAP_IOCTL_DIR, (3, 10)),
    "auto_inval_data": (FUSE_CAP_AUTO_INVAL_DATA, (3, 10)),
    "readdirplus": (FUSE_CAP_READDIRPLUS, (3, 10)),
    "readdirplus_auto": (FUSE_CAP_READDIRPLUS_AUTO, (3, 10)),
    "async_direct_io": (FUSE_CAP_ASYNC_DIO, (3, 10)),
    "writeback_cache": (FUSE_CAP_WRITEBACK_CACHE, (3, 10)),
    "no_open": (FUSE_CAP_NO_OPEN_SUPPORT, (3, 10)),
    "parallel_directory_operations": (FUSE_CAP_PARALLEL_DIROPS, (3, 10)),
    "posix_acl": (FUSE_CAP_POSIX_ACL, (3, 10)),
    "handle_killpriv": (FUSE_CAP_HANDLE_KILLPRIV, (3, 10)),
    "handle_killpriv_v2": (FUSE_CAP_HANDLE_KILLPRIV_V2, (3, 17)),
    "cache_symlinks": (FUSE_CAP_CACHE_SYMLINKS, (3, 10)),
    "no_opendir": (FUSE_CAP_NO_OPENDIR_SUPPORT, (3, 10)),
    "explicit_inval_data": (FUSE_CAP_EXPLICIT_INVAL_DATA, (3, 10)),
    "expire_only": (FUSE_CAP_EXPIRE_ONLY, (3, 12)),
    "setxattr_ext": (FUSE_CAP_SETXATTR_EXT, (3, 17)),
    "direct_io_allow_mmap": (FUSE_CAP_DIRECT_IO_ALLOW_MMAP, (3, 17)),
    "passthrough": (FUSE_CAP_PASSTHROUGH, (3, 17)),
    "no_export": (FUSE_CAP_NO_EXPORT_SUPPORT, (3, 17)),
    "io_uring": (FUSE_CAP_OVER_IO_URING, (3, 18)),
}

#: What is not a capability of the kernel: name -> whether it was compiled, and the libfuse that brought it.
FUNCTIONS = {
    "custom_io": (bool(FT_HAVE_CUSTOM_IO), (3, 14)),
    "request_timeout": (bool(FT_HAVE_REQUEST_TIMEOUT), (3, 18)),
    "tmpfile": (bool(FT_HAVE_TMPFILE), (3, 17)),
    "statx": (bool(FT_HAVE_STATX), (3, 18)),
    "syncfs": (bool(FT_HAVE_SYNCFS), (3, 19)),
    "increment_epoch": (bool(FT_HAVE_INCREMENT_EPOCH), (3, 18)),
    "prune": (bool(FT_HAVE_PRUNE), (3, 19)),
}


def compiled_version() -> tuple[int, int]:
    """Version (major, minor) of the libfuse headers that the core was compiled with."""
    return divmod(FUSE_VERSION, 100) if FUSE_VERSION >= 100 else divmod(FUSE_VERSION, 10)


def runtime_version() -> tuple[int, int]:
    """Version (major, minor) of the libfuse that is loaded."""
    cdef int version = fuse_version()
    return divmod(version, 100) if version >= 100 else divmod(version, 10)


def package_version() -> str:
    """Full version of the libfuse that is loaded, such as "3.14.0"."""
    return fuse_pkgversion().decode()
