# cython: language_level=3
"""StatxAttributes: EntryAttributes and what only statx(2) tells."""

cdef enum:
    NANOS_PER_SECOND = 1_000_000_000


cdef class StatxAttributes(EntryAttributes):
    """What a ``statx`` handler returns: attributes with a birth time.

    ``attributes`` has the ``STATX_ATTR_*`` bits of statx(2), ``attributes_mask`` says which of them the file
    system knows; both are 0 unless set.
    """

    @property
    def st_birthtime_ns(self) -> int:
        """When the inode was made, in nanoseconds since 1970-01-01 UTC; 0 when it was not set, and then
        statx(2) tells none."""
        return self.c_birth.tv_sec * <long long>NANOS_PER_SECOND + self.c_birth.tv_nsec

    @st_birthtime_ns.setter
    def st_birthtime_ns(self, value: int) -> None:
        cdef long long ns = int(value)
        cdef long long seconds = ns // NANOS_PER_SECOND
        self.c_birth.tv_nsec = ns - seconds * NANOS_PER_SECOND
        self.c_birth.tv_sec = seconds
        self.c_has_birth = True

    def __getstate__(self) -> dict[str, object]:
        state = EntryAttributes.__getstate__(self)
        if not self.c_has_birth:
            del state["st_birthtime_ns"]
        return state | {"attributes": self.attributes, "attributes_mask": self.attributes_mask}
