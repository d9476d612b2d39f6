"""On PYTHONPATH: `_pyfuse3` is fusetree's drop-in."""

import importlib
import sys

from fusetree.compat._alias import install

install("pyfuse3")
del sys.modules[__name__]
importlib.import_module(__name__)
