"""Following what is committed goes on whatever happens, and leaves nothing out."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from typing import Any, Self, cast

import pytest

from support.pipes import DEADLINE
from tenets_session_server.agents import following
from tenets_session_server.agents.calling import RefusedError
from tenets_session_server.agents.following import Follower
from tenets_session_server.client.client import CallError, Client, DisconnectedError

BUSY = {"code": 1, "message": "busy", "data": {"kind": "busy"}}
PROBLEMS = (RefusedError("x"), CallError(BUSY), DisconnectedError(), OSError(), KeyError("a bug"))


class Daemon:
    """A daemon that tells of three changes; it raises ``problems`` at the first connections."""

    def __init__(self, problems: list[Exception]) -> None:
        self.problems, self.is_attached = problems, True
        self._last = 0

    def connect(self, *, notifications: bool = False) -> Client:
        """Return a client, which is this object."""
        if notifications and self.problems:
            raise self.problems.pop()
        return cast(Client, self)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing has to be closed."""

    def call(self, _verb: str, *, sinceState: str = "0", **_: Any) -> dict[str, Any]:  # noqa: N803
        """Return no changes, as ``changes`` does: all come as messages."""
        self._last = int(sinceState)
        return {**batch(self._last), "changes": [], "truncated": False}

    def messages(self) -> Iterator[dict[str, Any]]:
        """Yield a batch for each change after the state that was asked for, and wait."""
        yield from (batch(number) for number in range(self._last + 1, 4))
        threading.Event().wait()


def batch(number: int) -> dict[str, Any]:
    return {"changes": [{"revision": number}], "revision": number, "state": str(number)}


@pytest.fixture(autouse=True)
def _no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(following, "PAUSE", 0.0)


@pytest.mark.parametrize("problem", PROBLEMS, ids=lambda one: type(one).__name__)
def test_a_batch_that_could_not_be_told_comes_again(problem: Exception) -> None:
    told: queue.Queue[int] = queue.Queue()
    problems = [problem]

    def tell(batch: dict[str, Any]) -> None:
        if batch["revision"] == 2 and problems:
            raise problems.pop()
        told.put(batch["revision"])

    Follower("", Daemon([]).connect, tell).start()
    assert [told.get(timeout=DEADLINE) for _ in range(3)] == [1, 2, 3]


@pytest.mark.parametrize("problem", PROBLEMS, ids=lambda one: type(one).__name__)
def test_a_connection_that_fails_is_tried_again(problem: Exception) -> None:
    told: queue.Queue[int] = queue.Queue()
    Follower("", Daemon([problem] * 3).connect, lambda one: told.put(one["revision"])).start()
    assert [told.get(timeout=DEADLINE) for _ in range(3)] == [1, 2, 3]
