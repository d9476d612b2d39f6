"""Row 2: from the core's requests to handlers: the Operations class, the session, and who runs the handlers.

============== ============================================================
`operations`   the handlers that a file system may define, each documented
`session`      one file system served: mounted or on a descriptor
`threads`      the backend that runs handlers in threads
`rings`        the backend of requests over rings (io_uring), in libfuse's own threads
`failures`     what happens to an exception of a handler that is not an OSError
`mountinfo`    what /proc/self/mountinfo says of a mountpoint
`options`      what can be asked of a mount, checked
`features`     what libfuse and the kernel have, what is asked for, what came of it
`offload`      threads for ordinary handlers of a session in a loop
`watchdog`     names handlers that take too long
`aborting`     ends a connection from outside
============== ============================================================
"""
