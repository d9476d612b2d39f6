# cython: language_level=3
"""The slot through which a C callback hands a request to the thread that called libfuse.

Rule 1: a callback runs without the GIL, in the thread that received the request.  It first lets the inode
    table answer; if that can not, it writes the arguments into the thread's slot and returns.  It never
    decides anything else.
Rule 2: the slot is set around ``fuse_session_process_buf`` only, and one buffer holds one request, so it is
    written once.
"""

cdef extern from *:
    """
    #include <stddef.h>
    static _Thread_local void *ft_current_slot = NULL;
    static inline void *ft_slot_get(void) { return ft_current_slot; }
    static inline void ft_slot_set(void *slot) { ft_current_slot = slot; }
    """
    void *ft_slot_get() nogil
    void ft_slot_set(void *slot) nogil


cdef Captured *current() noexcept nogil:
    return <Captured *>ft_slot_get()


cdef void set_current(Captured *captured) noexcept nogil:
    ft_slot_set(captured)
