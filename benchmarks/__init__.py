"""How fast fusetree is, side by side with libfuse's own C programs and with other Python bindings.

    python -m benchmarks --help

`load.c` makes the load, `memory_ll.c` is the C yardstick, `servers/` holds the file systems under test; all
of them serve the same content (`content.py`).  `measuring.py` runs interleaved rounds, `report.py` says what
came out.

Nothing here is imported before it is needed: parts of the package run under interpreters that have other
bindings installed and not fusetree.
"""
