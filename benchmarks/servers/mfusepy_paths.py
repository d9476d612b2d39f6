"""mfusepy: `python -m benchmarks.servers.mfusepy_paths SOURCE MOUNTPOINT [--threads] [--burn]`."""

from __future__ import annotations

import importlib

from benchmarks.servers import pathtree

if __name__ == "__main__":
    pathtree.serve(importlib.import_module("mfusepy"))
