"""The example of a directory of the host whose files are kept under a key."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support import ROOT, server, shell

pytestmark = pytest.mark.mount


def test_encrypted_view(mountpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VIEW_PASSWORD", "secret")
    with server(ROOT / "examples/encrypted_view.py", tmp_path, mountpoint, mountpoint=mountpoint):
        file, kept = mountpoint / "d/f", tmp_path / "d/f"
        file.parent.mkdir()
        file.write_bytes(b"hello\n" * 1000)
        shell(f"echo more >> {file}").ok()
        assert file.read_bytes() == b"hello\n" * 1000 + b"more\n"
        assert file.stat().st_size == 6005
        assert b"hello" not in kept.read_bytes()
        shell(f"truncate -s 3 {file}; truncate -s 70 {file}; ln {file} {mountpoint}/link").ok()
        assert (mountpoint / "link").read_bytes() == b"hel" + bytes(67)
        shell(f"cp {file} {file}2 && cmp {file} {file}2").ok()
        assert kept.read_bytes() != (tmp_path / "d/f2").read_bytes()
