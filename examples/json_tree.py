"""A JSON document as a tree of files, to be edited with a shell; it is saved when it is unmounted.

    python examples/json_tree.py DOCUMENT.json MNT
    cat MNT/users/0/name; echo 8080 > MNT/server/port; mkdir MNT/new

Objects and arrays are directories, all else are files. A number stays a number, a new file is text.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from typing import Any

import fusetree


def load(path: str) -> Any:
    """The document of a file."""
    with open(path, encoding="utf-8") as file:
        return json.load(file)


def save(document: Any, path: str) -> None:
    """Write a document; whoever reads the file sees the old one or the new one."""
    folder = os.path.dirname(os.path.abspath(path))
    with tempfile.NamedTemporaryFile("w", encoding="utf-8", dir=folder, delete=False) as file:
        json.dump(document, file, indent=2, ensure_ascii=False)
        file.write("\n")
    os.replace(file.name, path)


def main() -> None:
    """Mount a document until it is unmounted, then save it if it has changed."""
    path, mountpoint = sys.argv[1:]
    document = load(path)
    try:
        root = fusetree.expose(document, writable=True)
    except TypeError as error:
        sys.exit(f"{path}: {error}")
    fusetree.run(root, mountpoint)
    if document != load(path):
        save(document, path)


if __name__ == "__main__":
    main()
