"""On PYTHONPATH: `llfuse` is fusetree's drop-in."""

import importlib
import sys

from fusetree.compat._alias import install

install("llfuse")
del sys.modules[__name__]
importlib.import_module(__name__)
