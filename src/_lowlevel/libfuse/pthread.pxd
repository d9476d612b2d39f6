# pthread.h, and the few atomic operations that the inode table needs.

from libc.stdint cimport uint8_t, uint32_t, uint64_t

from fusetree._lowlevel.libfuse.posix cimport timespec

cdef extern from "<pthread.h>" nogil:
    ctypedef struct pthread_mutex_t:
        pass
    ctypedef struct pthread_cond_t:
        pass
    ctypedef struct pthread_condattr_t:
        pass
    int pthread_mutex_init(pthread_mutex_t *mutex, const void *attr)
    int pthread_mutex_lock(pthread_mutex_t *mutex)
    int pthread_mutex_unlock(pthread_mutex_t *mutex)
    int pthread_mutex_destroy(pthread_mutex_t *mutex)
    int pthread_condattr_init(pthread_condattr_t *attr)
    int pthread_condattr_setclock(pthread_condattr_t *attr, int clock)
    int pthread_condattr_destroy(pthread_condattr_t *attr)
    int pthread_cond_init(pthread_cond_t *cond, const pthread_condattr_t *attr)
    int pthread_cond_wait(pthread_cond_t *cond, pthread_mutex_t *mutex)
    int pthread_cond_timedwait(pthread_cond_t *cond, pthread_mutex_t *mutex, const timespec *until)
    int pthread_cond_signal(pthread_cond_t *cond)
    int pthread_cond_broadcast(pthread_cond_t *cond)
    int pthread_cond_destroy(pthread_cond_t *cond)

cdef extern from * nogil:
    """
    #include <stdint.h>
    static inline void ft_ref(uint32_t *refs) { __atomic_add_fetch(refs, 1, __ATOMIC_RELAXED); }
    static inline uint32_t ft_unref(uint32_t *refs) { return __atomic_sub_fetch(refs, 1, __ATOMIC_ACQ_REL); }
    static inline uint32_t ft_refs(const uint32_t *refs) { return __atomic_load_n(refs, __ATOMIC_ACQUIRE); }
    static inline uint64_t ft_load(const uint64_t *where) { return __atomic_load_n(where, __ATOMIC_ACQUIRE); }
    static inline void ft_store(uint64_t *where, uint64_t value)
    {
        __atomic_store_n(where, value, __ATOMIC_RELEASE);
    }
    static inline int ft_load_state(const uint8_t *where) { return __atomic_load_n(where, __ATOMIC_ACQUIRE); }
    static inline void ft_store_state(uint8_t *where, uint8_t state)
    {
        __atomic_store_n(where, state, __ATOMIC_RELEASE);
    }
    static inline void ft_bump(uint64_t *where) { __atomic_add_fetch(where, 1, __ATOMIC_ACQ_REL); }
    """
    void ft_ref(uint32_t *refs)
    uint32_t ft_unref(uint32_t *refs)      # references left
    uint32_t ft_refs(const uint32_t *refs)
    uint64_t ft_load(const uint64_t *where)
    void ft_store(uint64_t *where, uint64_t value)
    int ft_load_state(const uint8_t *where)
    void ft_store_state(uint8_t *where, uint8_t state)
    void ft_bump(uint64_t *where)
