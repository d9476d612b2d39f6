"""Directories against a model of ordered dicts: names, order, links, announcements."""

from __future__ import annotations

from collections import Counter, OrderedDict
from typing import Any

from hypothesis import settings, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from fusetree import Dir, File
from fusetree.nodes import Node
from tests.nodes.recorder import Recorder

NAMES = st.sampled_from(["a", "b", "c", "d"])
PLACES = st.integers(0, 2)
FILES = st.integers(0, 2)


class DirectoryMachine(RuleBasedStateMachine):
    """Three directories in a row, one below the other, and three files that are put anywhere."""

    @initialize()
    def begin(self) -> None:
        inner = Dir()
        middle = Dir({"inner": inner})
        self.dirs = [Dir({"middle": middle}), middle, inner]
        self.files = [File(), File(), File()]
        self.models: list[OrderedDict[str, Node]] = [
            OrderedDict(middle=middle),
            OrderedDict(inner=inner),
            OrderedDict(),
        ]
        # What a reader knows who was only ever told of changes.
        self.told: list[dict[str, Node]] = [dict(model) for model in self.models]
        self.observers: list[Recorder] = []
        for directory in self.dirs:
            observer = Recorder()
            directory.attach(observer)
            self.observers.append(observer)

    @rule(place=PLACES, name=NAMES, number=FILES)
    def put(self, place: int, name: str, number: int) -> None:
        self.dirs[place][name] = self.files[number]
        self.models[place][name] = self.files[number]

    @rule(place=PLACES, name=NAMES)
    def remove(self, place: int, name: str) -> None:
        try:
            del self.dirs[place][name]
        except KeyError:
            assert name not in self.models[place]
        else:
            del self.models[place][name]

    @rule(source=PLACES, old=NAMES, where=PLACES, new=NAMES)
    def move(self, source: int, old: str, where: int, new: str) -> None:
        prefixes = ["", "middle/", "middle/inner/"]
        try:
            self.dirs[0].move(prefixes[source] + old, prefixes[where] + new)
        except KeyError:
            assert old not in self.models[source]
        else:
            child = self.models[source][old]
            if self.models[where].get(new) is not child:
                del self.models[source][old]
                self.models[where][new] = child

    @invariant()
    def same_names_in_the_same_order(self) -> None:
        for directory, model in zip(self.dirs, self.models, strict=True):
            assert directory.items() == list(model.items())
            assert list(directory) == list(model)
            assert len(directory) == len(model)

    @invariant()
    def links_are_counted(self) -> None:
        names: Counter[Node] = Counter(child for model in self.models for child in model.values())
        for file in self.files:
            assert file.nlink == max(1, names[file])
        assert [directory.nlink for directory in self.dirs] == [3, 3, 2]

    @invariant()
    def who_is_told_knows_the_same(self) -> None:
        for told, observer, model in zip(self.told, self.observers, self.models, strict=True):
            for event in observer.take():
                apply(told, event)
            assert told == dict(model)


def apply(told: dict[str, Node], event: tuple[Any, ...]) -> None:
    kind, _, name, child = event
    if kind == "set":
        told[name] = child
    else:
        assert told.pop(name) is child


TestDirectoryMachine = DirectoryMachine.TestCase
TestDirectoryMachine.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)


class ForestMachine(RuleBasedStateMachine):
    """Directories put anywhere: what is accepted is always a tree, and what is refused would not be one."""

    @initialize()
    def begin(self) -> None:
        self.dirs = [Dir() for _ in range(6)]

    @rule(where=st.integers(0, 5), name=NAMES, what=st.integers(0, 5))
    def put(self, where: int, name: str, what: int) -> None:
        holder, child = self.dirs[where], self.dirs[what]
        if holder.child(name) is child:
            return
        before = holder.items()
        edges = [(parent, other) for parent in self.dirs for other in parent.values()]
        try:
            holder[name] = child
        except ValueError:
            assert holder.items() == before
            # Putting it is refused while what it would replace is still there.
            assert not is_forest(self.dirs, [*edges, (holder, child)])
        else:
            assert is_forest(self.dirs, [(p, c) for p in self.dirs for c in p.values()])

    @rule(where=st.integers(0, 5), name=NAMES)
    def remove(self, where: int, name: str) -> None:
        if name in self.dirs[where]:
            del self.dirs[where][name]

    @invariant()
    def subdirectories_are_counted(self) -> None:
        for directory in self.dirs:
            assert directory.nlink == 2 + len(directory)


def is_forest(dirs: list[Dir], edges: list[tuple[Dir, Any]]) -> bool:
    """Whether no directory is reached in two ways from one root, nor from itself: by walking all the ways."""
    below: dict[Dir, list[Dir]] = {directory: [] for directory in dirs}
    for parent, child in edges:
        below[parent].append(child)
    for start in dirs:
        seen: set[Dir] = set()
        waiting = [start]
        while waiting:
            here = waiting.pop()
            if here in seen:
                return False
            seen.add(here)
            waiting.extend(below[here])
    return True


TestForestMachine = ForestMachine.TestCase
TestForestMachine.settings = settings(max_examples=100, stateful_step_count=30, deadline=None)
