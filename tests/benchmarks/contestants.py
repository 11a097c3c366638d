"""The contestants: how each one starts, answers and ends.

All do the same tasks in turns. :class:`Process` speaks the protocol through pipes; see also
in_process.py, public_package.py and other_server.py.
"""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import time
from pathlib import Path
from typing import Any, Final, Generic, Protocol, TypeVar

import msgspec

from benchmarks.lean_client import COMMAND, LeanClient, ServerError, request
from benchmarks.results import (
    PIPE,
    RSS_END,
    RSS_START,
    SHARED,
    START,
    Key,
    Results,
)
from benchmarks.workload import ECHO, PREPARED_METHOD, Call, Situation, Task

HERE: Final = Path(__file__).resolve().parent

Durations = dict[str, list[int]]
"""Nanoseconds of each request, by label."""


class Contestant(Protocol):
    """One column at one size. All methods raise :class:`ServerError` or ``OSError``."""

    column: str
    size: int

    def number_from(self, first: int) -> None:
        """Begin with another number than in the last round: every write changes something."""

    def start(self, results: Results) -> None:
        """Make it ready to be asked."""

    labels: frozenset[str]
    """What it is measured in."""
    patient: bool
    """Whether it is given one long turn for each task, instead of many short ones."""

    def take_turn(self, task: Task, count: int) -> Durations:
        """Do a task ``count`` times, one request after the other; one more before that."""

    def rush(self, task: Task, count: int) -> dict[str, float]:
        """Do a task ``count`` times as fast as it can be asked; return requests/s by label."""

    def answers(self, task: Task) -> dict[str, Any]:
        """Do a task once; return the results by label."""

    def end(self, results: Results) -> None:
        """End it as it should be ended. Raises where that does not work."""

    def kill(self) -> None:
        """End it, whatever it does."""

    def log_tail(self) -> str:
        """Return the last lines that it has written to its log."""


Request = TypeVar("Request")


class OneByOne(Generic[Request]):
    """What contestants have in common that take one request after the other."""

    patient = False

    def __init__(self, column: str, size: int, labels: frozenset[str]) -> None:
        self.column, self.size, self.labels = column, size, labels
        self._situation = Situation(size, self._revision)

    def number_from(self, first: int) -> None:
        """Count what is asked from here on."""
        self._situation.numbers = itertools.count(first)

    def take_turn(self, task: Task, count: int) -> Durations:
        """Do a task; the first request of a step fills the caches and does not count."""
        taken: Durations = {}
        for step in task.steps(self._situation, count + 1):
            requests = [self._prepare(call) for call in step.calls]
            durations = self._time(requests)
            if step.label is not None:
                taken[step.label] = durations[1:]
        return taken

    def rush(self, task: Task, count: int) -> dict[str, float]:
        """Do a task with all of a step's requests under way at once."""
        rates = {}
        for step in task.steps(self._situation, count):
            requests = [self._prepare(call) for call in step.calls]
            elapsed = self._time_all(requests)
            if step.label is not None:
                rates[step.label] = len(requests) / elapsed * 1e9
        return rates

    def answers(self, task: Task) -> dict[str, Any]:
        """Do a task once; return the results by label."""
        found = {}
        for step in task.steps(self._situation, 1):
            for call in step.calls:
                result = self._result(call)
                if step.label is not None:
                    found[step.label] = result
        return found

    def _revision(self) -> int:
        revision: int = self._result(("stats", {}))["revision"]
        return revision

    def _prepare(self, call: Call) -> Request:
        raise NotImplementedError

    def _time(self, requests: list[Request]) -> list[int]:
        raise NotImplementedError

    def _time_all(self, requests: list[Request]) -> int:
        raise NotImplementedError

    def _result(self, call: Call) -> Any:
        raise NotImplementedError


def method(verb: str) -> str:
    """Return the method as it is on the wire."""
    return verb if verb in {ECHO, PREPARED_METHOD} else f"tenets/session.{verb}"


class Process(OneByOne[bytes]):
    """One that is a process and speaks the protocol (``cat``: sends back what it is sent)."""

    client: LeanClient

    def __init__(
        self, column: str, size: int, labels: frozenset[str], database: Path, command: list[str]
    ) -> None:
        super().__init__(column, size, labels)
        self._command = command
        self._log_path = database.with_suffix(".log")
        self._ids = itertools.count(1)
        self._client: LeanClient | None = None

    def start(self, results: Results) -> None:
        """Start the process and initialize it."""
        with self._log_path.open("wb") as log:
            self.client = self._client = LeanClient(self._command, log, echoing=self.column == PIPE)
        if self.column == PIPE:
            return
        params: dict[str, Any] = {"processId": os.getpid(), "rootUri": None, "capabilities": {}}
        self.client.call(self._request("initialize", params))
        taken = (time.perf_counter_ns() - self.client.started_at) / 1e6
        self.client.tell("initialized")
        if self.labels == {ECHO}:  # it is measured as a whole elsewhere
            return
        results.add(Key(self.size, START, self.column, START), taken)
        self._add_resident(RSS_START, results)

    def page(self) -> bytes:
        """Return the text of the result of ``list 100``."""
        return _result_text(self.client.call(self._prepare(("list", {}))))

    def prepare_page(self, page: bytes) -> None:
        """Give the bare loop what it is to send."""
        data = b'{"id":%d,"method":"prepare","params":%b}' % (next(self._ids), page)
        self.client.call(b"Content-Length: %d\r\n\r\n%b" % (len(data), data))
        if _result_text(self.client.call(self._prepare((PREPARED_METHOD, {})))) != page:
            raise ServerError("does not send what was prepared")

    def end(self, results: Results) -> None:
        """End the process as LSP has it."""
        client = self.client
        if self.column != PIPE:
            if self.labels != {ECHO}:
                self._add_resident(RSS_END, results)
            client.call(self._request("shutdown", None))
            client.tell("exit")
        self._client = None
        if (status := client.end()) != 0:
            raise ServerError(f"exit status {status}")

    def kill(self) -> None:
        """End the process, whatever it does."""
        if self._client is not None:
            self._client.kill()

    def log_tail(self) -> str:
        """Return the last lines of what the process wrote to stderr."""
        if not self._log_path.exists():
            return ""
        lines = self._log_path.read_text(encoding="utf-8", errors="replace").splitlines()
        return "\n".join(f"    {line}" for line in lines[-8:])

    def _add_resident(self, measure: str, results: Results) -> None:
        resident = self.client.resident_mib()
        results.add(Key(self.size, measure, self.column, measure), resident)

    def _revision(self) -> int:
        return 0 if self.column == PIPE else super()._revision()

    def _request(self, name: str, params: object) -> bytes:
        return request(next(self._ids), name, params)

    def _prepare(self, call: Call) -> bytes:
        return self._request(method(call[0]), call[1])

    def _time(self, requests: list[bytes]) -> list[int]:
        clock, ask = time.perf_counter_ns, self.client.call
        durations = []
        for data in requests:
            begin = clock()
            ask(data)
            durations.append(clock() - begin)
        return durations

    def _time_all(self, requests: list[bytes]) -> int:
        begin = time.perf_counter_ns()
        replies = self.client.pipeline(requests)
        elapsed = time.perf_counter_ns() - begin
        sent = [json.loads(one.partition(b"\r\n\r\n")[2])["id"] for one in requests]
        if [json.loads(reply)["id"] for reply in replies] != sent:
            raise ServerError("pipelined replies are not those asked for")
        return elapsed

    def _result(self, call: Call) -> Any:
        return json.loads(self.client.call(self._prepare(call)))["result"]


class Shared(Process):
    """Our command as an editor starts it: attached to the process that serves this database."""

    def __init__(
        self,
        size: int,
        labels: frozenset[str],
        database: Path,
        column: str = SHARED,
        command: str = COMMAND,
    ) -> None:
        super().__init__(column, size, labels, database, [command, "--database", str(database)])
        self._stop = [command, "stop", "--database", str(database)]

    def end(self, results: Results) -> None:
        """End the command, then the process that serves."""
        super().end(results)
        subprocess.run(self._stop, check=True, stdout=subprocess.DEVNULL)

    def kill(self) -> None:
        """End both."""
        if self._client is not None:
            super().kill()
            subprocess.run(self._stop, check=False, capture_output=True)

    def _add_resident(self, measure: str, results: Results) -> None:
        """Add nothing: the command itself only waits for the process that serves."""


class _Reply(msgspec.Struct):
    result: msgspec.Raw


def _result_text(body: bytes) -> bytes:
    return bytes(msgspec.json.decode(body, type=_Reply).result)
