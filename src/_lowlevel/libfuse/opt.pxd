# fuse_opt.h and fuse_log.h

cdef extern from "compat.h" nogil:
    cdef struct fuse_args:
        int argc
        char **argv
        int allocated
    void fuse_opt_free_args(fuse_args *args)

    cdef enum fuse_log_level:
        FUSE_LOG_EMERG
        FUSE_LOG_ALERT
        FUSE_LOG_CRIT
        FUSE_LOG_ERR
        FUSE_LOG_WARNING
        FUSE_LOG_NOTICE
        FUSE_LOG_INFO
        FUSE_LOG_DEBUG
