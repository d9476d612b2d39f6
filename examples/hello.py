"""The smallest tree: a dict, mounted.

python examples/hello.py MNT        serves until Ctrl-C; look at it with `cat MNT/hello` and `cat MNT/now`
"""

import sys
import time

import fusetree

root = {
    "hello": "Hello, world!\n",  # text and bytes become files
    "now": lambda: f"{time.ctime()}\n",  # a callable is asked whenever the file is opened
    "more": {"numbers.bin": bytes(range(10))},  # a dict becomes a directory
}

if __name__ == "__main__":
    fusetree.run(root, sys.argv[1])
