"""The Python file systems under test: each module is a program, `python -m benchmarks.servers.NAME SOURCE
MOUNTPOINT`.

Each is written as a good user of that binding would write it for speed, with caching off: timeouts are 0 and
files are opened direct_io, so that every operation of a client reaches the server.  They end when they are
unmounted.
"""
