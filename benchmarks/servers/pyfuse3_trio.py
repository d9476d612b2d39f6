"""pyfuse3 on trio: `python -m benchmarks.servers.pyfuse3_trio SOURCE MOUNTPOINT [--burn]`."""

from __future__ import annotations

import argparse
import importlib
from typing import Any

from benchmarks import content
from benchmarks.servers import burning, handlers


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("source")
    parser.add_argument("mountpoint")
    parser.add_argument("--burn", action="store_true")
    arguments = parser.parse_args()
    pyfuse3: Any = importlib.import_module("pyfuse3")
    trio: Any = importlib.import_module("trio")
    options = {"fsname=pyfuse3"} | set(pyfuse3.default_options)
    options.discard("default_permissions")  # the kernel would ask for attributes once more
    operations = handlers.async_operations(pyfuse3, content.load(arguments.source))
    pyfuse3.init(operations, arguments.mountpoint, options)
    if arguments.burn:
        burning.start()
    try:
        trio.run(pyfuse3.main)
    finally:
        pyfuse3.close()


if __name__ == "__main__":
    main()
