"""Bar charts of the rates, one picture for each setting.  Needs matplotlib, from `fusetree[bench]`."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

from benchmarks.cases import SETTINGS
from benchmarks.contestants import CONTESTANTS
from benchmarks.measuring import Measured
from benchmarks.report import Report

COLUMNS = 3


def _color(key: str) -> str:
    if key.startswith("c") and key not in ("cached", "computed"):
        return "#8c8c8c"
    return "#b8860b" if key in ("pyfuse3", "mfusepy", "fusepy", "hello") else "#1f6f8b"


def _draw(axes: Any, measured: Measured) -> None:
    keys = list(measured.samples)[::-1]
    rates = [measured.rate(key) for key in keys]
    middle = [rate.median / 1000 for rate in rates]
    below = [(rate.median - rate.low) / 1000 for rate in rates]
    above = [(rate.high - rate.median) / 1000 for rate in rates]
    axes.barh(
        [CONTESTANTS[key].title for key in keys],
        middle,
        xerr=[below, above],
        color=[_color(key) for key in keys],
        error_kw={"ecolor": "#333333", "elinewidth": 1},
    )
    axes.set_title(measured.case.title, fontsize=9)
    axes.set_xlabel("thousands a second", fontsize=8)
    axes.tick_params(labelsize=7)


def draw(report: Report, folder: Path) -> dict[str, Path]:
    """Write a PNG for each setting into *folder*; returns their paths by setting.

    Raises:
        ImportError: matplotlib is not installed.
    """
    matplotlib: Any = importlib.import_module("matplotlib")
    matplotlib.use("Agg")
    pyplot: Any = importlib.import_module("matplotlib.pyplot")
    folder.mkdir(parents=True, exist_ok=True)
    written = {}
    for setting, title in SETTINGS.items():
        cases = [measured for measured in report.measured.values() if measured.case.setting == setting]
        if not cases:
            continue
        rows = -(-len(cases) // COLUMNS)
        figure, grid = pyplot.subplots(rows, COLUMNS, figsize=(5.5 * COLUMNS, 2.9 * rows), squeeze=False)
        places = [axes for row in grid for axes in row]
        for axes, measured in zip(places, cases, strict=False):  # places that are left over stay empty
            _draw(axes, measured)
        for axes in places[len(cases) :]:
            axes.axis("off")
        figure.suptitle(title)
        figure.tight_layout()
        path = folder / f"{setting}.png"
        figure.savefig(path, dpi=110)
        pyplot.close(figure)
        written[setting] = path
    return written
