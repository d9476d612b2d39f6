# cython: language_level=3, cdivision=True
"""Attributes in their compact form, and times as one number."""

from libc.stdint cimport uint32_t

from fusetree._lowlevel.libfuse.posix cimport CLOCK_MONOTONIC, clock_gettime

cdef int64_t NANOS = 1_000_000_000


cdef void attributes_pack(ft_attributes *packed, const c_stat *stat) noexcept nogil:
    packed.ino = stat.st_ino
    packed.size = stat.st_size
    packed.blocks = stat.st_blocks
    packed.atime_ns = stat.st_atim.tv_sec * NANOS + stat.st_atim.tv_nsec
    packed.mtime_ns = stat.st_mtim.tv_sec * NANOS + stat.st_mtim.tv_nsec
    packed.ctime_ns = stat.st_ctim.tv_sec * NANOS + stat.st_ctim.tv_nsec
    packed.mode = stat.st_mode
    packed.nlink = <uint32_t>stat.st_nlink
    packed.uid = stat.st_uid
    packed.gid = stat.st_gid
    packed.rdev = <uint32_t>stat.st_rdev        # the protocol has 32 bits
    packed.blksize = <uint32_t>stat.st_blksize


cdef void attributes_unpack(const ft_attributes *packed, c_stat *stat) noexcept nogil:
    stat.st_dev = 0
    stat.st_ino = packed.ino
    stat.st_size = packed.size
    stat.st_blocks = packed.blocks
    stat.st_atim = timespec_of(packed.atime_ns)
    stat.st_mtim = timespec_of(packed.mtime_ns)
    stat.st_ctim = timespec_of(packed.ctime_ns)
    stat.st_mode = packed.mode
    stat.st_nlink = packed.nlink
    stat.st_uid = packed.uid
    stat.st_gid = packed.gid
    stat.st_rdev = packed.rdev
    stat.st_blksize = packed.blksize


cdef timespec timespec_of(int64_t ns) noexcept nogil:
    cdef timespec result
    result.tv_sec = ns / NANOS
    result.tv_nsec = ns % NANOS
    if result.tv_nsec < 0:      # C rounds towards zero; times before 1970 keep 0 <= tv_nsec
        result.tv_nsec += NANOS
        result.tv_sec -= 1
    return result


cdef int64_t monotonic_ns() noexcept nogil:
    cdef timespec now
    clock_gettime(CLOCK_MONOTONIC, &now)
    return now.tv_sec * NANOS + now.tv_nsec
