"""Row 2: from the core's requests to handlers: the Operations class, the session, and who runs the handlers.

============== ============================================================
`operations`   the handlers that a file system may define, each documented
`session`      one file system served: mounted or on a descriptor
`threads`      the backend that runs handlers in threads
`failures`     what happens to an exception of a handler that is not an OSError
`mountinfo`    what /proc/self/mountinfo says of a mountpoint
============== ============================================================
"""
