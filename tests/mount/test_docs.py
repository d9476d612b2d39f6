"""The scenarios of tests/scenarios/test_docs.py with a kernel."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from fusetree import Dir
from tests.mount.conftest import Mounting
from tests.scenarios.test_docs import Worker
from tests.support import raises_errno

pytestmark = pytest.mark.mount


def test_docs_are_extended_attributes(mountpoint: Path, mounted: Mounting) -> None:
    mounted(Dir({"w": Worker()}))
    assert os.getxattr(mountpoint / "w", "user.doc") == b"Works through jobs."
    assert os.listxattr(mountpoint / "w/jobs") == ["user.doc"]
    assert os.listxattr(mountpoint / "w/plain") == []
    with raises_errno(errno.ENODATA):
        os.getxattr(mountpoint / "w/plain", "user.doc")
