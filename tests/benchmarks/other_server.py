"""What the columns of other programs have in common: their own sessions, their nearest operation.

They do other things than ours and keep more with a session, so their times stand beside ours to
tell the order of magnitude, and nothing is checked but that they succeed. Each has a home directory
of its own that is removed with everything else, and is asked nothing that would need the network.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any, Final

from benchmarks.lean_client import ServerError
from benchmarks.results import START, Key, Results
from benchmarks.workload import Task

STALLED_AFTER: Final = 60.0
"""Seconds without an answer after which it is given up."""

ENDS_WITHIN: Final = 5.0
"""Seconds after which one that was told to end is killed."""


class OtherServer:
    """A program that is asked one thing after the other; ``size`` sessions, made by itself.

    An operation makes one request, and gets that one's number. ``seconds`` is how long may be spent
    on one of them in a turn.
    """

    column: str
    patient = True

    def __init__(self, size: int, program: Path, home: Path, seconds: float) -> None:
        self.size, self.labels = size, frozenset(self.operations_of())
        self.program, self.home = program, home
        self._seconds = seconds
        self._first = 0
        self.process: subprocess.Popen[bytes] | None = None
        self.made: list[str] = []  # in this turn
        self.sessions: list[str] = []

    def operations_of(self) -> dict[str, Callable[[int], Any]]:
        """Return the operations by label."""
        raise NotImplementedError

    def connect(self) -> None:
        """Start the process, and make it answer."""
        raise NotImplementedError

    def seed(self) -> None:
        """Make :attr:`sessions`, so many that there are ``size``."""
        raise NotImplementedError

    def disconnect(self) -> None:
        """Tell the process to end."""
        raise NotImplementedError

    def number_from(self, first: int) -> None:
        """Count what is asked from here on."""
        self._first = first

    def start(self, results: Results) -> None:
        """Start the process, and make its sessions."""
        begin = time.perf_counter_ns()
        self.connect()
        taken = (time.perf_counter_ns() - begin) / 1e6
        results.add(Key(self.size, START, self.column, START), taken)
        self.seed()
        if "addContext" in self.labels:  # the first one takes a second: it gets ready for work
            self.operations_of()["addContext"](0)
        self._signal(signal.SIGSTOP)

    def launch(self, *arguments: str, output: int | IO[bytes], **more: str) -> Any:
        """Start the program; return the process. ``more`` is its environment, beside a home."""
        project, temporary = self.home / "project", self.home / "tmp"
        for folder in (project, temporary):
            folder.mkdir(parents=True, exist_ok=True)
        home = {"HOME": str(self.home), "TMPDIR": str(temporary), "PATH": os.environ["PATH"]}
        with (self.home / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [str(self.program), *arguments],
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=log,
                cwd=project,
                env={**home, **more},
            )
        return self.process

    def take_turn(self, task: Task, count: int) -> dict[str, list[int]]:
        """Do a task, at most ``count`` times and one more before that; return ns by label."""
        taken: dict[str, list[int]] = {}
        self.made = []
        self._signal(signal.SIGCONT)
        for label in [one for one in task.labels if one in self.labels]:
            operation = self.operations_of()[label]
            durations: list[int] = []
            until = time.perf_counter_ns() + self._seconds * 1e9
            most = len(self.made) if label == "delete" else count + 1
            for number in range(self._first, self._first + most):
                begin = time.perf_counter_ns()
                operation(number)
                end = time.perf_counter_ns()
                durations.append(end - begin)
                if end > until and label != "delete":
                    break
            taken[label] = durations[1:] or durations
        self._signal(signal.SIGSTOP)
        return taken

    def _signal(self, number: signal.Signals) -> None:
        """Let it run on, or keep it from doing things of its own while others are measured."""
        if self.process is not None:
            self.process.send_signal(number)

    def rush(self, _task: Task, _count: int) -> dict[str, float]:
        """Return nothing: neither is made for it."""
        return {}

    def answers(self, _task: Task) -> dict[str, Any]:
        """Return nothing: they know other sessions."""
        return {}

    def end(self, _results: Results) -> None:
        """End the process."""
        process = self.process
        assert process is not None
        self._signal(signal.SIGCONT)
        self.disconnect()
        with contextlib.suppress(subprocess.TimeoutExpired):  # then it is killed
            process.wait(ENDS_WITHIN)
        self.kill()

    def kill(self) -> None:
        """End the process, whatever it does."""
        process, self.process = self.process, None
        if process is None:
            return
        if process.poll() is None:
            process.kill()
            process.wait()
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                stream.close()

    def log_tail(self) -> str:
        """Return the last lines of what the process wrote to stderr."""
        log = self.home / "log"
        if not log.exists():
            return ""
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
        return "\n".join(f"    {line}" for line in lines[-8:])


def version(program: Path, home: Path) -> str:
    """Return what the program says of its version. Raises ``ServerError``."""
    home.mkdir(parents=True, exist_ok=True)
    environment = {"HOME": str(home), "CODEX_HOME": str(home), "PATH": os.environ["PATH"]}
    try:
        done = subprocess.run(
            [program, "--version"], env=environment, check=True, capture_output=True, text=True
        )
    except (OSError, subprocess.CalledProcessError) as error:
        raise ServerError(f"{program.name} cannot be run: {error}") from error
    return done.stdout.strip().splitlines()[-1]
