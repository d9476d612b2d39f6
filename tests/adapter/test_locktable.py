"""The locks of one file: ranges split and join, conflicts, who waits is served in turn; against a model."""

from __future__ import annotations

import fcntl
from concurrent.futures import Future

from hypothesis import given, strategies as st

from fusetree.adapter.locktable import END, Held, LockTable, Waiter

R, W, U = fcntl.F_RDLCK, fcntl.F_WRLCK, fcntl.F_UNLCK


def ranges(table: LockTable) -> list[tuple[int, int, int, int]]:
    return sorted((lock.owner, lock.start, lock.end, lock.type) for lock in table.ranges)


def test_a_lock_takes_the_place_of_what_its_owner_had() -> None:
    table = LockTable()
    table.put(Held(W, 1, 0, 99), whole=False)
    table.put(Held(R, 1, 40, 59), whole=False)
    assert ranges(table) == [(1, 0, 39, W), (1, 40, 59, R), (1, 60, 99, W)]
    table.put(Held(W, 1, 40, 59), whole=False)
    assert ranges(table) == [(1, 0, 99, W)]
    table.put(Held(U, 1, 10, END), whole=False)
    assert ranges(table) == [(1, 0, 9, W)]
    table.put(Held(W, 1, 10, 10), whole=False)
    assert ranges(table) == [(1, 0, 10, W)]
    table.drop(owner=1, whole=False)
    assert table.empty


def test_who_is_in_the_way() -> None:
    table = LockTable()
    table.put(Held(R, 1, 0, 9), whole=False)
    assert table.in_the_way(Held(R, 2, 0, 9), whole=False) is None
    assert table.in_the_way(Held(W, 2, 10, 19), whole=False) is None
    assert table.in_the_way(Held(W, 1, 0, 9), whole=False) is None
    found = table.in_the_way(Held(W, 2, 9, END), whole=False)
    assert found is not None
    assert found.owner == 1
    assert table.in_the_way(Held(W, 2), whole=True) is None  # the two kinds know nothing of each other


def test_who_waits_is_served_in_turn_unless_cancelled() -> None:
    table = LockTable()
    table.put(Held(W, 1), whole=False)
    futures: list[Future[None]] = [Future() for _ in range(4)]
    for owner, (kind, future) in enumerate(zip((R, W, R, R), futures, strict=True), 2):
        table.waiting.append(Waiter(Held(kind, owner), False, future))
    assert table.grant() == []
    futures[2].cancel()
    table.put(Held(U, 1), whole=False)
    assert table.grant() == [futures[0], futures[3]]
    assert [waiter.future for waiter in table.waiting] == [futures[1]]


numbers = st.integers(0, 12)
requests = st.tuples(st.sampled_from([R, W, U]), st.integers(1, 3), numbers, st.integers(1, 6) | st.just(0))


@given(st.lists(requests, max_size=40))
def test_against_a_model_of_single_bytes(sequence: list[tuple[int, int, int, int]]) -> None:
    table = LockTable()
    model: dict[tuple[int, int], int] = {}  # (owner, byte) -> type; the last byte stands for all behind it
    for kind, owner, start, length in sequence:
        covered = range(start, 25) if length == 0 else range(start, start + length)
        wanted = Held(kind, owner, start, END if length == 0 else start + length - 1)
        conflict = kind != U and any(
            other != owner and byte in covered and W in (kind, held) for (other, byte), held in model.items()
        )
        assert (kind != U and table.in_the_way(wanted, whole=False) is not None) == conflict
        if conflict:
            continue
        table.put(wanted, whole=False)
        for byte in covered:
            model.pop((owner, byte), None)
            if kind != U:
                model[owner, byte] = kind
        seen = {
            (lock.owner, byte): lock.type
            for lock in table.ranges
            for byte in range(lock.start, min(lock.end, 24) + 1)
        }
        assert seen == model
        for lock in table.ranges:  # what touches and is alike is one
            assert not any(
                other is not lock and other.owner == lock.owner and other.type == lock.type
                and other.start == lock.end + 1
                for other in table.ranges
            )  # fmt: skip
