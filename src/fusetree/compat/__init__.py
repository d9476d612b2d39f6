"""Row 6: drop-ins for llfuse and pyfuse3: their names, signatures and behaviour over this library's core.

============== ==================================================================================
`llfuse`       the module `llfuse`
`pyfuse3`      the package `pyfuse3`, with `pyfuse3.asyncio`
`__main__`     ``python -m fusetree.compat pyfuse3 SCRIPT ARGS`` and ``python -m fusetree.compat --path``
`path`         a folder for PYTHONPATH, in which `llfuse` and `pyfuse3` are ours
`_mounted`     the one session of a process, which is module state in both originals
`_translating` from a handler as the originals know it to one of ours
`_errors`      FUSEError, which is no OSError there; other exceptions end the main loop
`_host`        listdir, setxattr and the like, which have nothing to do with FUSE
`_notices`     a queue of notifications and the thread that sends them
`_lock`        llfuse's global lock
`_signals`     signals that end llfuse's main loop
`_options`     mount options that only libfuse2 knew
`_alias`       one module under two names
============== ==================================================================================

Rule 1: importing starts no thread, prints nothing and imports no event loop.
Rule 2: nothing of the originals is copied: names and behaviour are matched, text and code are not.
Rule 3: a request is always answered, also where the originals let the caller wait for ever.
"""
