"""The column of the public ``tenets`` package: where it comes from, and its process."""

from __future__ import annotations

import importlib.metadata
import itertools
import json
import os
import select
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

from benchmarks.lean_client import ServerError
from benchmarks.results import PUBLIC, Results
from benchmarks.workload import Situation, Task

REQUIREMENT: Final = "tenets==0.13.3"
STALLED_AFTER: Final = 300.0
"""Seconds without an answer after which it is given up."""
CHILD: Final = Path(__file__).with_name("public_child.py")


def install(folder: Path) -> str | None:
    """Install the package into a folder; return why that was impossible, or None."""
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    command += ["--no-deps", "--target", str(folder), REQUIREMENT]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode == 0:
        return None
    lines = done.stderr.strip().splitlines() or [f"exit status {done.returncode}"]
    return f"{REQUIREMENT} cannot be installed: {lines[-1]}"


def version(folder: Path) -> str:
    """Return name and version of the package in a folder."""
    for found in importlib.metadata.distributions(path=[str(folder)]):
        if found.name == "tenets":
            return f"tenets {found.version}"
    return "tenets of an unknown version"


class Public:
    """The package's ``SessionDB`` in a process of its own; see public_child.py.

    ``seconds`` is how long it may take for one step of a task; what is begun is finished.
    """

    column = PUBLIC
    patient = True

    def __init__(
        self, size: int, labels: frozenset[str], package: Path, cache: Path, seconds: float
    ) -> None:
        self.size, self.labels = size, labels
        self._package, self._cache, self._seconds = package, cache, seconds
        self._situation = Situation(size, lambda: 0)
        self._process: subprocess.Popen[bytes] | None = None
        self._rates: dict[str, float] = {}

    def number_from(self, first: int) -> None:
        """Count what is asked from here on."""
        self._situation.numbers = itertools.count(first)

    def start(self, _results: Results) -> None:
        """Start the process; its database is made where it is missing."""
        self._cache.mkdir(parents=True, exist_ok=True)
        home = {"HOME": str(self._cache), "PYTHONPATH": str(self._package)}
        with (self._cache / "log").open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, str(CHILD), str(self._cache), str(self.size)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                env={**os.environ, **home},
            )
        self._answer()

    def take_turn(self, task: Task, count: int) -> dict[str, list[int]]:
        """Do a task, at most ``count`` times; return ns by label."""
        taken: dict[str, list[int]] = self._do(task, count + 1)["taken"]
        for label, durations in taken.items():
            self._rates[label] = len(durations) / sum(durations) * 1e9
        return taken

    def rush(self, task: Task, _count: int) -> dict[str, float]:
        """Return the rates of the last turn: there is nothing to be pipelined."""
        return {label: self._rates[label] for label in task.labels if label in self._rates}

    def answers(self, task: Task) -> dict[str, Any]:
        """Do a task once; return the results by label."""
        results: dict[str, Any] = self._do(task, 1)["results"]
        return results

    def end(self, _results: Results) -> None:
        """End the process with its input."""
        process, self._process = self._process, None
        assert process is not None
        process.communicate(timeout=STALLED_AFTER)
        if process.returncode != 0:
            raise ServerError(f"exit status {process.returncode}")

    def kill(self) -> None:
        """End the process, whatever it does."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None

    def log_tail(self) -> str:
        """Return the last lines of what the process wrote to stderr."""
        lines = (self._cache / "log").read_text(encoding="utf-8", errors="replace").splitlines()
        return "\n".join(f"    {line}" for line in lines[-8:])

    def _do(self, task: Task, count: int) -> dict[str, Any]:
        assert self._process is not None
        assert self._process.stdin is not None
        steps = [(step.label, step.calls) for step in task.steps(self._situation, count)]
        line = json.dumps({"steps": steps, "seconds": self._seconds})
        self._process.stdin.write(line.encode() + b"\n")
        self._process.stdin.flush()
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        assert self._process is not None
        assert self._process.stdout is not None
        if not select.select([self._process.stdout], [], [], STALLED_AFTER)[0]:
            raise ServerError(f"no answer in {STALLED_AFTER:.0f} s")
        line = self._process.stdout.readline()
        if not line:
            raise ServerError("has ended")
        found: dict[str, Any] = json.loads(line)
        return found
