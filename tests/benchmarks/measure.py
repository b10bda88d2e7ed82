"""Running things in processes of their own, and what they cost."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Cost:
    """What a process cost: wall and CPU seconds from its start to its end, and its answer."""

    seconds: float
    cpu_seconds: float
    answer: Any


def peak_mib() -> float:
    """The largest resident memory this process ever had, in MiB."""
    status = Path("/proc/self/status")
    if status.exists():
        # Not ru_maxrss: on Linux a process inherits that of the one that started it.
        line = next(each for each in status.read_text().splitlines() if each.startswith("VmHWM"))
        return int(line.split()[1]) / 1024
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1024**2


def run(arguments: Sequence[str], environment: Mapping[str, str] | None = None) -> Cost:
    """Run a command in the repository; its standard output, if any, must be one JSON value.

    Raises SystemExit with the end of its standard error when it fails.
    """
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    begun = time.perf_counter()
    done = subprocess.run(
        list(arguments),
        cwd=REPOSITORY,
        env=os.environ | dict(environment or {}),
        capture_output=True,
        text=True,
        check=False,
    )
    seconds = time.perf_counter() - begun
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode != 0:
        name = " ".join(Path(each).name for each in arguments)
        raise SystemExit(f"{name} failed:\n{done.stderr.strip()[-2000:]}")
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Cost(seconds, cpu, json.loads(done.stdout) if done.stdout.strip() else None)


def run_module(
    module: str, *arguments: object, environment: Mapping[str, str] | None = None
) -> Cost:
    """Run `python -m tests.benchmarks.<module>` with this interpreter."""
    command = [sys.executable, "-m", f"tests.benchmarks.{module}", *map(str, arguments)]
    return run(command, environment)


def spread(values: Sequence[float]) -> str:
    """Median, least and greatest of some numbers, as text."""
    return f"{median(values):.2f} ({min(values):.2f} to {max(values):.2f})"
