"""The judgement of what was seen of a server that ran for long, and that each server and its clients run."""

from __future__ import annotations

import pytest

from benchmarks.soak import MEMORY_SLACK, SERVERS, Sample, Soaked, judge, soak
from tests.support import fuse_mounts

MIB = 1 << 20


def test_what_goes_up_and_down_is_flat() -> None:
    samples = [Sample(50 * MIB + (number % 7) * MIB, 10 + number % 3, 4) for number in range(61)]
    assert judge(samples)[1]


def test_a_small_leak_is_seen() -> None:
    samples = [Sample(20 * MIB + number * MIB // 4, 10, 4) for number in range(61)]
    row, flat = judge(samples)
    assert not flat
    assert row == "22.8 | 35.0 | 10 | 10 | 4 | 4 | **no**"


def test_descriptors_that_stay_open_are_seen() -> None:
    assert not judge([Sample(20 * MIB, 10 + number // 5, 4) for number in range(61)])[1]


@pytest.mark.mount
@pytest.mark.root
@pytest.mark.slow
@pytest.mark.parametrize("soaked", SERVERS, ids=lambda soaked: soaked.key)
def test_each_is_used_and_ended(soaked: Soaked) -> None:
    samples = soak(soaked, 1.0)
    assert all(sample.memory > MEMORY_SLACK for sample in samples)
    assert not [mount for mount in fuse_mounts() if "fusetree-soak-" in mount.mountpoint]
