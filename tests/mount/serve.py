"""A server process to be killed: mounts a small tree and waits.  Not a test.

serve.py MOUNTPOINT
"""

from __future__ import annotations

import sys

import fusetree

if __name__ == "__main__":
    with fusetree.mount({"f": "text\n", "d": {}}, sys.argv[1]) as mount:
        print("ready", flush=True)
        mount.wait()
