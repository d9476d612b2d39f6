# cython: language_level=3
"""IoctlRetry: what an ``ioctl`` handler returns to be asked again, with memory of the caller fetched."""

cimport cython

cdef enum:
    MOST_AREAS = 256           # FUSE_IOCTL_MAX_IOV of linux/fuse.h


cdef tuple areas(object given, str what):
    cdef list found = []
    for address, size in given:
        if not 0 <= address < 1 << 64 or not 0 <= size < 1 << 32:
            raise ValueError(f"{what}: {size} bytes at address {address:#x} can not be")
        found.append((int(address), int(size)))
    if len(found) > MOST_AREAS:
        raise ValueError(f"{what}: {len(found)} areas, at most {MOST_AREAS}")
    return tuple(found)


@cython.final
cdef class IoctlRetry:
    """Returned by an ``ioctl`` handler to be called again, with *data* fetched from the caller's memory and
    room for the output.

    Only for unrestricted ioctls (``FUSE_IOCTL_UNRESTRICTED`` in *flags*), which Linux allows to character
    devices in user space; on a mounted file system the kernel takes sizes and directions from the command's
    number (ioctl(2), ``_IOR`` and friends), and a retry fails with EIO.

    :param inputs: areas of the caller's memory to fetch, as (address, bytes); their contents come one after
        the other in *data*.
    :param outputs: areas that the output is written to, one after the other.
    :raises ValueError: an address or size that can not be, or more than 256 areas.
    """

    def __init__(self, inputs=(), outputs=()):
        self.inputs = areas(inputs, "inputs")
        self.outputs = areas(outputs, "outputs")

    def __repr__(self) -> str:
        return f"<IoctlRetry inputs={self.inputs} outputs={self.outputs}>"
