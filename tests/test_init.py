from __future__ import annotations

import subprocess
import sys
import types

import pytest

import fusetree
from fusetree import errors


def test_all_is_what_the_namespace_holds() -> None:
    for name in fusetree.__all__:
        getattr(fusetree, name)
    public = {
        name
        for name, value in vars(fusetree).items()
        if not name.startswith("_") and not isinstance(value, types.ModuleType)
    }
    public -= {"annotations", "TYPE_CHECKING", "Any", "Final"}
    assert public | {"lowlevel"} == set(fusetree.__all__)
    assert len(set(fusetree.__all__)) == len(fusetree.__all__)


def test_every_error_is_at_hand() -> None:
    assert set(errors.__all__) - {"errno_of"} <= set(fusetree.__all__)


def test_what_is_lazy_is_listed_and_found() -> None:
    assert set(fusetree.__all__) <= set(dir(fusetree))
    assert callable(fusetree.mount)
    assert fusetree.lowlevel.__name__ == "fusetree.lowlevel"
    assert isinstance(fusetree.__version__, str)
    with pytest.raises(AttributeError, match="unheard_of"):
        fusetree.unheard_of  # noqa: B018 - looking it up is the test


def test_importing_leaves_out_what_is_not_needed_yet() -> None:
    program = (
        "import sys, fusetree; "
        "fusetree.Dir({'a': 'x', 'now': lambda: 1}); "
        "print([m for m in ('asyncio', 'cattrs', 'json', 'trio', 'fusetree._lowlevel', 'fusetree.server') "
        "if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
