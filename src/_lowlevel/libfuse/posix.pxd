# sys/stat.h, sys/statvfs.h and friends, as far as libfuse speaks of them.

from libc.stdint cimport uint64_t

cdef extern from "<sys/types.h>" nogil:
    ctypedef unsigned int mode_t
    ctypedef unsigned int uid_t
    ctypedef unsigned int gid_t
    ctypedef int pid_t
    ctypedef long long off_t
    ctypedef unsigned long dev_t
    ctypedef unsigned long ino_t
    ctypedef unsigned long nlink_t

cdef extern from "<time.h>" nogil:
    ctypedef long time_t
    cdef struct timespec:
        time_t tv_sec
        long tv_nsec
    int CLOCK_REALTIME
    int CLOCK_MONOTONIC
    int clock_gettime(int clock, timespec *ts)

cdef extern from "<sys/stat.h>" nogil:
    cdef struct c_stat "stat":
        dev_t st_dev
        ino_t st_ino
        mode_t st_mode
        nlink_t st_nlink
        uid_t st_uid
        gid_t st_gid
        dev_t st_rdev
        off_t st_size
        long st_blksize
        long st_blocks
        timespec st_atim
        timespec st_mtim
        timespec st_ctim

cdef extern from "<sys/statvfs.h>" nogil:
    cdef struct c_statvfs "statvfs":
        unsigned long f_bsize
        unsigned long f_frsize
        unsigned long f_blocks
        unsigned long f_bfree
        unsigned long f_bavail
        unsigned long f_files
        unsigned long f_ffree
        unsigned long f_favail
        unsigned long f_fsid
        unsigned long f_flag
        unsigned long f_namemax

cdef extern from "<fcntl.h>" nogil:
    cdef struct c_flock "flock":
        short l_type
        short l_whence
        off_t l_start
        off_t l_len
        pid_t l_pid
    int F_RDLCK
    int F_WRLCK
    int F_UNLCK

cdef extern from "<sys/file.h>" nogil:
    int LOCK_NB
    int LOCK_UN

cdef extern from "<sys/uio.h>" nogil:
    cdef struct iovec:
        void *iov_base
        size_t iov_len
