from __future__ import annotations

import functools

import pytest

from fusetree import Dir, File, Symlink, action, computed, entry, node, tree
from fusetree.nodes import doc_of


@node
class Worker(Dir):
    """
    Works through jobs.

    At length.
    """

    jobs: int = entry(12, doc="How many jobs wait.\nAll of them.")
    token: str = entry("", mode=0o200)

    @computed
    def load(self) -> float:
        """The load of the last minute."""
        return 0.5

    @computed(size="exact")
    def broken(self) -> str:
        raise RuntimeError("a bug")

    @action
    def reset(self, reason: str) -> None:
        """Begin anew."""


class Special(Worker):
    pass


class Own(File):
    """A file of a kind of its own."""


def test_a_tree_shows_modes_sizes_and_what_things_are() -> None:
    root = Dir({"w": Worker(), "link": Symlink("w/jobs"), "deep": {"er": "text"}})
    assert str(tree(root)).splitlines() == [
        "dr-xr-xr-x - /",
        "dr-xr-xr-x - ├── w  # Works through jobs.",
        "-rw-r--r-- 3 │   ├── jobs  # How many jobs wait.",
        "--w------- 1 │   ├── token",
        "-r--r--r-- - │   ├── load  # The load of the last minute.",
        "-r--r--r-- ? │   ├── broken",
        "--w------- 0 │   └── reset  # Begin anew.",
        "lrwxrwxrwx 6 ├── link -> w/jobs",
        "dr-xr-xr-x - └── deep",
        "-r--r--r-- 4     └── er",
    ]


def test_a_prompt_shows_it_as_it_is() -> None:
    assert repr(tree({"a": ""})) == "dr-xr-xr-x - /\n-r--r--r-- 0 └── a"


def test_depth_and_limit() -> None:
    root = {"a": {"b": {"c": ""}}, **{str(number): "" for number in range(9)}}
    assert [line.split()[-1] for line in tree(root, depth=1, limit=2).splitlines()] == ["/", "a", "0", "more"]
    assert "... and 8 more" in tree(root, limit=2)
    assert tree(root, depth=0) == "dr-xr-xr-x - /"


def test_a_file_is_a_tree_of_one_line_and_a_number_is_none() -> None:
    assert tree(File(b"abc")) == "-r--r--r-- 3 "
    with pytest.raises(TypeError):
        tree(object())


def test_a_name_cannot_steer_the_terminal() -> None:
    shown = tree({"a\x1b[2J\nb": Symlink("\x07"), "\udcff": ""})
    assert "\x1b" not in shown
    assert "\x07" not in shown
    assert "a\\x1b[2J\\nb -> \\x07" in shown
    assert "\\udcff" in shown


def test_what_nodes_say_of_themselves() -> None:
    worker = Worker()
    assert doc_of(worker) == "Works through jobs.\n\nAt length."
    assert doc_of(Special()) == doc_of(worker)
    assert doc_of(worker["jobs"]) == "How many jobs wait.\nAll of them."
    assert doc_of(worker["token"]) is None
    assert doc_of(worker["reset"]) == "Begin anew."
    assert doc_of(Own()) == "A file of a kind of its own."


def test_the_librarys_own_classes_say_nothing() -> None:
    for one in (Dir(), File(), Symlink("x")):
        assert doc_of(one) is None


def test_functions_as_children_say_what_they_are() -> None:
    def now(zone: str = "") -> str:
        """What time it is."""
        return ""

    root = Dir({"now": now, "partly": functools.partial(now, "UTC"), "other": lambda: ""})
    assert [doc_of(child) for child in root.values()] == ["What time it is.", "What time it is.", None]


def test_a_doc_is_text() -> None:
    with pytest.raises(TypeError, match="text"):
        entry(0, doc=3)  # type: ignore[call-overload]
