"""Layouts are the kernel's: checked against the C compiler's view of <linux/fuse.h>, and both ways."""

from __future__ import annotations

import math
import shutil
import subprocess
from pathlib import Path

import pytest

from fusetree.testing import values, wire, wire_special
from fusetree.testing.protocol import InitFlag, NotifyCode, Opcode, OpenedFlag, SetattrField

STRUCTURES = {
    "fuse_in_header": wire.size_of(wire.InHeader),
    "fuse_out_header": wire.size_of(wire.OutHeader),
    "fuse_init_in": wire.size_of(wire.InitIn),
    "fuse_init_out": wire.size_of(wire.InitOut),
    "fuse_forget_in": wire.size_of(wire.ForgetIn),
    "fuse_forget_one": wire.size_of(wire.ForgetOne),
    "fuse_batch_forget_in": wire.size_of(wire.BatchForgetIn),
    "fuse_getattr_in": wire.size_of(wire.GetattrIn),
    "fuse_setattr_in": wire.size_of(wire.SetattrIn),
    "fuse_mknod_in": wire.size_of(wire.MknodIn),
    "fuse_mkdir_in": wire.size_of(wire.MkdirIn),
    "fuse_rename_in": wire.size_of(wire.RenameIn),
    "fuse_rename2_in": wire.size_of(wire.Rename2In),
    "fuse_link_in": wire.size_of(wire.LinkIn),
    "fuse_open_in": wire.size_of(wire.OpenIn),
    "fuse_create_in": wire.size_of(wire.CreateIn),
    "fuse_open_out": wire.size_of(wire.OpenOut),
    "fuse_release_in": wire.size_of(wire.ReleaseIn),
    "fuse_flush_in": wire.size_of(wire.FlushIn),
    "fuse_read_in": wire.size_of(wire.ReadIn),
    "fuse_write_in": wire.size_of(wire.WriteIn),
    "fuse_write_out": wire.size_of(wire.WriteOut),
    "fuse_statfs_out": wire.size_of(wire.Statfs),
    "fuse_fsync_in": wire.size_of(wire.FsyncIn),
    "fuse_setxattr_in": wire.size_of(wire.SetxattrExtIn),
    "fuse_getxattr_in": wire.size_of(wire.GetxattrIn),
    "fuse_getxattr_out": wire.size_of(wire.GetxattrOut),
    "fuse_access_in": wire.size_of(wire.AccessIn),
    "fuse_interrupt_in": wire.size_of(wire.InterruptIn),
    "fuse_lseek_in": wire.size_of(wire_special.LseekIn),
    "fuse_lseek_out": wire.size_of(wire_special.LseekOut),
    "fuse_entry_out": values.ENTRY_SIZE,
    "fuse_attr": len(values.Attributes().pack()),
    "fuse_attr_out": len(values.AttrReply(values.Attributes()).pack()),
}
OPEN_FLAGS = ["DIRECT_IO", "KEEP_CACHE", "NONSEEKABLE", "CACHE_DIR", "STREAM", "NOFLUSH"]
NOTIFICATIONS = ["POLL", "INVAL_INODE", "INVAL_ENTRY", "STORE", "RETRIEVE", "DELETE"]


@pytest.mark.skipif(
    shutil.which("cc") is None or not Path("/usr/include/linux/fuse.h").exists(),
    reason="no C compiler or kernel headers",
)
def test_layouts_and_numbers_are_those_of_the_kernel_header(tmp_path: Path) -> None:
    header = Path("/usr/include/linux/fuse.h").read_text()
    claims = [f"sizeof(struct {name}) == {size}" for name, size in STRUCTURES.items()]
    claims += [f"FUSE_{op.name} == {int(op)}" for op in Opcode if f"FUSE_{op.name}" in header]
    claims += [f"FUSE_{f.name} == {int(f)}ULL" for f in InitFlag if f"FUSE_{f.name}\t" in header]
    claims += [f"FOPEN_{name} == {int(OpenedFlag[name])}" for name in OPEN_FLAGS]
    claims += [f"FUSE_NOTIFY_{name} == {int(NotifyCode[name])}" for name in NOTIFICATIONS]
    claims += [f"FATTR_{f.name} == {int(f)}" for f in SetattrField]
    assert len(claims) > 120
    source = tmp_path / "claims.c"
    lines = [f'_Static_assert({claim}, "{claim}");' for claim in claims]
    source.write_text("#include <linux/fuse.h>\n" + "\n".join(lines) + "\n")
    built = subprocess.run(["cc", "-std=c11", "-fsyntax-only", source], capture_output=True, text=True)
    assert built.returncode == 0, built.stderr


def test_attributes_survive_both_directions() -> None:
    attributes = values.Attributes(
        st_ino=2**63 + 1, st_size=2**40, st_blocks=7, st_atime_ns=-1, st_mtime_ns=1_700_000_000_123_456_789,
        st_ctime_ns=-(10**9), st_mode=0o100644, st_nlink=3, st_uid=1000, st_gid=100, st_rdev=5,
        st_blksize=512,
    )  # fmt: skip
    assert values.unpack_attributes(attributes.pack()) == attributes


@pytest.mark.parametrize("seconds", [0.0, 0.25, 1.0, 3600.5, math.inf])
def test_timeouts_survive_both_directions(seconds: float) -> None:
    assert values.timeout_from_wire(*values.timeout_to_wire(seconds)) == seconds


@pytest.mark.parametrize("plus", [False, True])
def test_directory_lines_survive_both_directions(plus: bool) -> None:
    entry = values.Entry(node_id=9, attr_timeout=1.5) if plus else None
    lines = [values.Dirent(b"x" * n, n, 4, n + 1, entry) for n in (1, 7, 8, 9, 255)]
    assert list(values.unpack_dirents(values.pack_dirents(lines), plus=plus)) == lines


def test_a_directory_line_that_is_cut_off_is_an_error() -> None:
    data = values.pack_dirents([values.Dirent(b"name", 1, 4, 1)])
    with pytest.raises(ValueError, match="are there"):
        list(values.unpack_dirents(data[:-6], plus=False))
    with pytest.raises(ValueError, match="cut off"):
        list(values.unpack_dirents(data + b"\0" * 8, plus=False))
