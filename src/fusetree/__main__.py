"""`python -m fusetree` is the command `fusetree`."""

import sys

from fusetree.cli import main

if __name__ == "__main__":
    sys.exit(main())
