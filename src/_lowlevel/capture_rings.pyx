# cython: language_level=3
"""Callbacks that run in libfuse's ring threads: a slot before, its request handed over afterwards.

A thread that reads the device has a slot while libfuse calls back (see capture.pyx); a ring thread has none,
so that is how the two are told apart.  The wrappers around the callbacks are in rings.h.

Rule 1: without the GIL, but for what :attr:`SessionState.ring_handle` does (rings.pyx).
Rule 2: who is *inside* (in a callback, or answering a ring's request from another thread) is counted, and
    rings are ended when nobody is: libfuse frees their requests with them.  Count first, look at the gate
    (or whether the rings are still there) afterwards; who ends them does it the other way round.
"""

from libc.errno cimport ENOMEM, ENOTCONN
from libc.stdint cimport uint64_t
from libc.stdlib cimport malloc

from fusetree._lowlevel.capture cimport OP_NONE, Captured, current, reset, set_current
from fusetree._lowlevel.libfuse.lowlevel cimport fuse_reply_err, fuse_req_t, fuse_req_userdata
from fusetree._lowlevel.libfuse.posix cimport CLOCK_MONOTONIC, clock_gettime, timespec
from fusetree._lowlevel.libfuse.pthread cimport (
    pthread_cond_broadcast,
    pthread_cond_timedwait,
    pthread_cond_wait,
    pthread_mutex_lock,
    pthread_mutex_unlock,
)

cdef extern from "rings.h" nogil:
    """
    #include <pthread.h>
    #include <stdlib.h>
    static uint64_t ft_count(uint64_t *where, int by)
    {
        return __atomic_add_fetch(where, by, __ATOMIC_SEQ_CST);
    }
    static uint64_t ft_counted(uint64_t *where) { return __atomic_load_n(where, __ATOMIC_SEQ_CST); }
    static int ft_gate(int *where) { return __atomic_load_n(where, __ATOMIC_SEQ_CST); }
    static void ft_gate_set(int *where, int gate) { __atomic_store_n(where, gate, __ATOMIC_SEQ_CST); }

    /* A ring thread's slot, which ends with it. */
    static _Thread_local void *ft_ring_slot;
    static pthread_key_t ft_ring_slot_key;
    static void ft_ring_slot_keep(void *slot)
    {
        ft_ring_slot = slot;
        pthread_setspecific(ft_ring_slot_key, slot);
    }
    static void *ft_ring_slot_get(void) { return ft_ring_slot; }
    static void ft_ring_install(int (*begins)(fuse_req_t), void (*ends)(fuse_req_t))
    {
        ft_ring_begins = begins;
        ft_ring_ends = ends;
        pthread_key_create(&ft_ring_slot_key, free);
    }
    """
    enum:
        FT_BY_DEVICE
        FT_BY_RING
        FT_REFUSED
    void ft_put_into_wrappers(fuse_lowlevel_ops *ops)
    void ft_ring_install(int (*begins)(fuse_req_t) noexcept nogil, void (*ends)(fuse_req_t) noexcept nogil)
    void ft_ring_slot_keep(void *slot)
    void *ft_ring_slot_get()
    uint64_t ft_count(uint64_t *where, int by)
    uint64_t ft_counted(uint64_t *where)
    int ft_gate(int *where)
    void ft_gate_set(int *where, int gate)


cdef inline SessionState *state_of(fuse_req_t req) noexcept nogil:
    return <SessionState *>fuse_req_userdata(req)


cdef void come_in(SessionState *state) noexcept nogil:
    ft_count(&state.ring_inside, 1)


cdef void go_out(SessionState *state) noexcept nogil:
    if ft_count(&state.ring_inside, -1) == 0 and ft_gate(&state.ring_gate) == GATE_REFUSING:
        pthread_mutex_lock(&state.ring_lock)
        pthread_cond_broadcast(&state.ring_changed)
        pthread_mutex_unlock(&state.ring_lock)


cdef void set_gate(SessionState *state, Gate gate) noexcept nogil:
    pthread_mutex_lock(&state.ring_lock)
    ft_gate_set(&state.ring_gate, gate)
    pthread_cond_broadcast(&state.ring_changed)
    pthread_mutex_unlock(&state.ring_lock)


cdef bint wait_until_empty(SessionState *state, double seconds) noexcept nogil:
    cdef timespec until
    cdef long long nanoseconds
    clock_gettime(CLOCK_MONOTONIC, &until)
    nanoseconds = until.tv_nsec + <long long>(seconds * 1e9)
    until.tv_sec += nanoseconds // 1_000_000_000
    until.tv_nsec = nanoseconds % 1_000_000_000
    pthread_mutex_lock(&state.ring_lock)
    while ft_counted(&state.ring_inside) != 0:
        if pthread_cond_timedwait(&state.ring_changed, &state.ring_lock, &until) != 0:
            break
    pthread_mutex_unlock(&state.ring_lock)
    return ft_counted(&state.ring_inside) == 0


cdef int refuse(SessionState *state, fuse_req_t req, int error) noexcept nogil:
    fuse_reply_err(req, error)
    go_out(state)
    return FT_REFUSED


cdef int on_begin(fuse_req_t req) noexcept nogil:
    cdef SessionState *state
    cdef Captured *slot
    if current() != NULL:
        return FT_BY_DEVICE
    state = state_of(req)
    come_in(state)
    if ft_gate(&state.ring_gate) == GATE_SHUT:
        pthread_mutex_lock(&state.ring_lock)
        while ft_gate(&state.ring_gate) == GATE_SHUT:
            pthread_cond_wait(&state.ring_changed, &state.ring_lock)
        pthread_mutex_unlock(&state.ring_lock)
    if ft_gate(&state.ring_gate) == GATE_REFUSING:
        return refuse(state, req, ENOTCONN)
    slot = <Captured *>ft_ring_slot_get()
    if slot == NULL:
        slot = <Captured *>malloc(sizeof(Captured))
        if slot == NULL:
            return refuse(state, req, ENOMEM)
        ft_ring_slot_keep(slot)
    reset(slot)
    slot.ring = True
    set_current(slot)
    return FT_BY_RING


cdef void on_end(fuse_req_t req) noexcept nogil:
    cdef SessionState *state = state_of(req)
    cdef Captured *slot = current()
    set_current(NULL)
    if slot.opcode != OP_NONE:
        state.ring_handle(state.ring_server, slot)
    go_out(state)


cdef void route(fuse_lowlevel_ops *ops) noexcept nogil:
    ft_put_into_wrappers(ops)


ft_ring_install(on_begin, on_end)
