# cython: language_level=3
"""Which libfuse this was compiled against, which it runs with, and what they have."""

from fusetree._lowlevel.libfuse.common cimport FT_HAVE_CUSTOM_IO, FUSE_VERSION, fuse_pkgversion, fuse_version


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


def features() -> dict[str, str]:
    """What can be had, by name: "yes", or the reason why not.

    ``custom_io``: a session on a descriptor instead of a mount (:class:`fusetree.testing.Client` needs it).
    """
    return {
        "custom_io": (
            "yes" if FT_HAVE_CUSTOM_IO else f"no: compiled against libfuse {FUSE_VERSION}, needs 3.14"),
    }
