"""Documents of all kinds through write(2), fsync(2) and close(2)."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.mount.conftest import Mounting
from tests.scenarios.test_documents import WRITTEN, Documents, documents
from tests.support import python

__all__ = ["documents"]  # a fixture

pytestmark = pytest.mark.mount

PROGRAM = """if True:
    import errno, os, sys
    path, good, bad = sys.argv[1:]
    before = open(path).read()
    for end in (os.close, os.fsync):
        fd = os.open(path, os.O_WRONLY | os.O_TRUNC)
        for letter in bad:
            assert os.write(fd, letter.encode()) == 1
        try:
            end(fd)
        except OSError as error:
            print(end.__name__, errno.errorcode[error.errno])
        assert open(path).read() == before
        if end is os.fsync:
            os.close(fd)    # nothing was written since: it says so once
    fd = os.open(path, os.O_WRONLY | os.O_TRUNC)
    os.write(fd, good.encode())
    assert open(path).read() == before
    os.fsync(fd)
    assert open(path).read() != before
    os.close(fd)
    """


@pytest.mark.parametrize("name", WRITTEN)
def test_errors_come_from_close_and_fsync(
    mountpoint: Path, mounted: Mounting, documents: Documents, name: str
) -> None:
    mounted(documents)
    done = python("-c", PROGRAM, mountpoint / name, *WRITTEN[name]).ok()
    assert done.lines == ["close EINVAL", "fsync EINVAL"]
