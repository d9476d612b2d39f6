# cython: language_level=3
"""What it takes to have one opcode handled: how its handler is called, how its result is answered, and what
is taken back when nobody got the answer.

The files `exchange_*.pyx` fill a table of these, by opcode, as the files `capture_*.pyx` fill libfuse's.
"""

from fusetree._lowlevel.request cimport Request

# Calls the handler with the request's arguments.
ctypedef object (*call_t)(Request r, object handler)
# Answers with the result, and returns what libfuse said: 0, or a negative errno when nobody got the answer. A
# result that can not be raises TypeError or ValueError, and the request is still open.
ctypedef int (*reply_t)(Request r, object result) except? -1
# Raises the same where the kernel would refuse the answer without a word, see acceptable.pyx.
ctypedef int (*check_t)(Request r, object result) except -1

cdef enum Undo:
    UNDO_NOTHING = 0
    UNDO_LOOKUP                # of the entry that was the result
    UNDO_OPEN
    UNDO_OPENDIR
    UNDO_CREATE                # both: (FileInfo, entry)
    UNDO_LISTING               # of each entry that the directory token took

cdef struct Exchange:
    call_t call                # NULL: no such opcode
    reply_t reply
    check_t check              # NULL: none
    Undo undo


cdef inline void enter(
        Exchange *table, int opcode, call_t call, reply_t reply, Undo undo=UNDO_NOTHING) noexcept:
    table[opcode].call = call
    table[opcode].reply = reply
    table[opcode].undo = undo
