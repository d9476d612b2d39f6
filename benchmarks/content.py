"""What every server under test serves: the same few files, so that a difference is the server's.

`small` is what is looked up, opened and read whole; `data` is read in blocks; `sink` is written; `dir` is
listed; `missing` does not exist.  A second kind of tree, `synthetic:DxF`, has D directories of F tiny files.

Only the standard library, and nothing else of this project: the servers of other bindings import it too.
"""

from __future__ import annotations

import os
import random
import re
from pathlib import Path
from typing import Union

SMALL_BYTES = 4096
DATA_BYTES = 16 << 20
LISTED_FILES = 1000

# A directory is a dict, a file is its bytes.
Tree = dict[str, Union[bytes, "Tree"]]


def standard() -> Tree:
    """The tree that requests are measured on."""
    source = random.Random(1)
    return {
        "small": source.randbytes(SMALL_BYTES),
        "data": source.randbytes(DATA_BYTES),
        "sink": bytes(DATA_BYTES),
        "dir": {f"f{n}": f"file {n}\n".encode() for n in range(LISTED_FILES)},
    }


def synthetic(directories: int, files: int) -> Tree:
    """Many small files: *directories* directories d0, d1, ... with *files* files f0, f1, ... each."""
    return {
        f"d{d}": {f"f{f}": f"file {d * files + f}\n".encode() for f in range(files)}
        for d in range(directories)
    }


def load(source: str) -> Tree:
    """The tree that *source* names: a directory of the host, or `synthetic:DxF`."""
    match = re.fullmatch(r"synthetic:(\d+)x(\d+)", source)
    if match:
        return synthetic(int(match[1]), int(match[2]))
    tree: Tree = {}
    for entry in sorted(os.scandir(source), key=lambda entry: entry.name):
        tree[entry.name] = load(entry.path) if entry.is_dir() else Path(entry.path).read_bytes()
    return tree


def write(tree: Tree, directory: Path) -> None:
    """Make *tree* real below *directory*, which is made if it is missing."""
    directory.mkdir(exist_ok=True)
    for name, content in tree.items():
        if isinstance(content, bytes):
            (directory / name).write_bytes(content)
        else:
            write(content, directory / name)
