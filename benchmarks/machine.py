"""On what it was measured: figures of two machines, or of two kernels, say nothing about each other."""

from __future__ import annotations

import datetime as dt
import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

from benchmarks import building


def _first_line(command: list[str]) -> str:
    if not shutil.which(command[0]):
        return ""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return next(iter(done.stdout.splitlines()), "").strip()


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith(("model name", "Model")):
            return line.partition(":")[2].strip()
    return platform.machine()


def _memory() -> str:
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("MemTotal"):
            return f"{int(line.split()[1]) / 2**20:.0f} GiB"
    return ""


def _distribution() -> str:
    try:
        return platform.freedesktop_os_release().get("PRETTY_NAME", "")
    except OSError:
        return ""


def _governor() -> str:
    path = Path("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")
    return path.read_text().strip() if path.exists() else "not known"


def _commit() -> str:
    if shutil.which("git") is None:
        return "not known"
    done = subprocess.run(
        ["git", "-C", str(building.PROJECT), "describe", "--always", "--dirty"],
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout.strip()


def describe() -> dict[str, str]:
    """What a reader needs to judge the figures, as label and text."""
    build = "free-threaded" if not getattr(sys, "_is_gil_enabled", lambda: True)() else "with the GIL"
    described = {
        "date": dt.datetime.now(dt.timezone.utc).strftime("%Y-%m-%d"),
        "fusetree": _commit(),
        "processor": f"{_processor()}, {len(os.sched_getaffinity(0))} cores usable",
        "memory": _memory(),
        "frequency governor": _governor(),
        "load when it began": " ".join(f"{value:.2f}" for value in os.getloadavg()),
        "kernel": platform.release(),
        "system": _distribution(),
        "libfuse": _first_line(["pkg-config", "--modversion", "fuse3"]),
        "Python": f"{platform.python_version()} {build}, {platform.python_compiler()}",
        "C compiler": _first_line(["cc", "--version"]),
    }
    return {label: text for label, text in described.items() if text}


def bindings() -> dict[str, str]:
    """The versions of the other bindings, as far as they are installed."""
    versions = {package: building.version_of(package) for package in building.BINDINGS}
    return {package: version for package, version in versions.items() if version}
