"""The scenarios of tests/scenarios/test_live.py with a shell and a kernel."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from fusetree import Dir, DynamicDir, FactoryDir, MappingDir, RelationDir, expose
from tests.mount.conftest import Mounting
from tests.scenarios.test_live import Disk, Limits
from tests.support import shell

pytestmark = pytest.mark.mount


def test_a_shell_reads_and_steers_objects(mountpoint: Path, mounted: Mounting) -> None:
    state: dict[str, Any] = {"limits": Limits(), "names": ["ada"], "a/b": 1, "deep": {"er": {"x": 1.5}}}
    state["deep"]["top"] = state
    mounted(expose(state, writable=True))
    found = shell("find . -type f | sort; cat deep/er/x names/0", cwd=mountpoint).ok().lines
    assert found == [
        *("./a%2Fb", "./deep/er/x", "./limits/cpu", "./limits/failing", "./names/0"),
        *("1.5", "ada"),
    ]
    assert os.readlink(mountpoint / "deep/top") == ".."
    shell("echo 9 > limits/cpu; echo bea > names/1; mkdir deep/new; echo v > deep/new/k", cwd=mountpoint).ok()
    assert state["limits"].cpu == 9
    assert state["names"] == ["ada", "bea"]
    assert state["deep"]["new"] == {"k": "v"}
    state["deep"]["er"]["x"] = 2.5
    assert shell("cat deep/er/x", cwd=mountpoint).text == "2.5\n"
    assert "Invalid argument" in shell("echo many > limits/cpu", cwd=mountpoint).error
    shell("rm -r deep/new; sed -i s/2.5/3.5/ deep/er/x", cwd=mountpoint).ok()
    assert state["deep"]["er"] == {"x": 3.5}
    assert "new" not in state["deep"]
    assert "Input/output error" in shell("cat limits/failing", cwd=mountpoint).error


def test_a_mapping_is_a_place_to_store_files(mountpoint: Path, mounted: Mounting, tmp_path: Path) -> None:
    store: dict[str, Any] = {}
    mounted(MappingDir(store, new=bytes))
    (tmp_path / "big").write_bytes(os.urandom(1_000_000))
    shell(
        f"cp {tmp_path}/big . && cmp big {tmp_path}/big && mv big large && mkdir d && cp large d/",
        cwd=mountpoint,
    ).ok()
    assert store["large"] == store["d"]["large"] == (tmp_path / "big").read_bytes()
    shell("rm large && rm -r d", cwd=mountpoint).ok()
    assert store == {}


def test_many_names_on_demand(mountpoint: Path, mounted: Mounting) -> None:
    mounted(
        DynamicDir(lambda name: int(name) * 2 if name.isdigit() else None, lambda: map(str, range(20_000)))
    )
    assert shell("ls -U | wc -l; cat 123456", cwd=mountpoint).ok().text == "20000\n246912\n"
    assert "No such file" in shell("cat x", cwd=mountpoint).error


def test_objects_are_made_and_related_by_mkdir_and_ln(mountpoint: Path, mounted: Mounting) -> None:
    disks, members = FactoryDir(Disk), RelationDir(Disk)
    mounted(Dir({"disks": disks, "pool": {"members": members}}))
    shell(
        "mkdir disks/sda; echo 5 > disks/sda/size; ln -s ../../disks/sda pool/members/", cwd=mountpoint
    ).ok()
    assert members.related() == {"sda": disks["sda"]}
    assert shell("cat pool/members/sda/size", cwd=mountpoint).text == "5\n"
    assert "Invalid argument" in shell("mkdir 'disks/bad*name'", cwd=mountpoint).error
    shell("rm pool/members/sda; rmdir disks/sda", cwd=mountpoint).ok()
    assert list(disks) == []


def test_a_json_document_is_a_tree(mountpoint: Path, mounted: Mounting) -> None:
    document = json.loads('{"a": [1, {"b": null}], "c": true}')
    mounted(expose(document))
    assert shell("cat a/0 a/1/b c", cwd=mountpoint).text == "1\n\ntrue\n"
