"""The column of ``codex app-server``: JSON objects on lines, on stdin and stdout.

Its sessions are threads. A thread is listed once it has had a turn; as there is no model to talk
to, the turn is interrupted once its first message has been taken down.
"""

from __future__ import annotations

import json
import os
import select
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from benchmarks.lean_client import ServerError
from benchmarks.other_server import STALLED_AFTER, OtherServer
from benchmarks.results import CODEX
from benchmarks.workload import CONTENT

NO_MODEL: Final = """
model = "none"
model_provider = "none"

[model_providers.none]
name = "none"
base_url = "http://127.0.0.1:9/v1"
wire_api = "responses"
"""
READ_SIZE: Final = 64 * 1024
INPUT: Final = {"type": "message", "role": "user"}


class CodexServer(OtherServer):
    """``codex app-server`` with threads that have one message each."""

    column = CODEX

    def __init__(self, size: int, program: Path, home: Path, seconds: float) -> None:
        super().__init__(size, program, home, seconds)
        self._unread = b""
        self._number = 0

    def operations_of(self) -> dict[str, Callable[[int], Any]]:
        """Return the nearest that it has."""
        return {
            "getActive": lambda _: self._of_thread("thread/read", 0),
            "get": lambda number: self._of_thread("thread/read", number),
            "list 10": lambda _: self._ask("thread/list", {"limit": 10}),
            "create": lambda _: self.made.append(self._begin()),
            "delete": lambda _: self._ask("thread/delete", {"threadId": self.made.pop()}),
            "updateMetadata": lambda number: self._of_thread(
                "thread/name/set", number, name=f"no. {number}"
            ),
            "addContext": lambda _: self._of_thread(
                "thread/inject_items",
                0,
                items=[{**INPUT, "content": [{"type": "input_text", "text": CONTENT}]}],
            ),
        }

    def connect(self) -> None:
        """Start the process and initialize it."""
        state = self.home / "codex"
        state.mkdir(parents=True, exist_ok=True)
        (state / "config.toml").write_text(NO_MODEL, encoding="utf-8")
        self._unread = b""
        self.launch("app-server", output=-1, CODEX_HOME=str(state))
        client = {"name": "benchmark", "title": "benchmark", "version": "1"}
        self._ask("initialize", {"clientInfo": client})
        self._send({"method": "initialized"})

    def seed(self) -> None:
        """Make threads; those of an earlier round are there as well."""
        self.sessions = self._listed()
        for thread in self.sessions:  # else it may be read, but not added to
            self._ask("thread/resume", {"threadId": thread})
        while len(self.sessions) < self.size:
            thread = self._begin()
            message = [{"type": "text", "text": CONTENT}]
            turn = self._ask("turn/start", {"threadId": thread, "input": message})["turn"]["id"]
            self._await("item/completed")
            self._ask("turn/interrupt", {"threadId": thread, "turnId": turn})
            self._await("turn/completed")
            self.sessions = self._listed()

    def disconnect(self) -> None:
        """End its input."""
        assert self.process is not None
        assert self.process.stdin is not None
        self.process.stdin.close()

    def _listed(self) -> list[str]:
        page = self._ask("thread/list", {"limit": self.size})
        return [thread["id"] for thread in page["data"]]

    def _begin(self) -> str:
        thread: str = self._ask("thread/start", {"cwd": str(self.home / "project")})["thread"]["id"]
        return thread

    def _of_thread(self, method: str, number: int, **params: Any) -> Any:
        thread = self.sessions[number % len(self.sessions)]
        return self._ask(method, {"threadId": thread, **params})

    def _ask(self, method: str, params: dict[str, Any]) -> Any:
        self._number += 1
        self._send({"id": self._number, "method": method, "params": params})
        while True:
            message = self._message()
            if message.get("id") == self._number and "method" not in message:
                if "error" in message:
                    raise ServerError(f"{method} answered {message['error']}")
                return message["result"]

    def _await(self, notification: str) -> None:
        while self._message().get("method") != notification:
            pass

    def _send(self, message: dict[str, Any]) -> None:
        assert self.process is not None
        assert self.process.stdin is not None
        os.write(self.process.stdin.fileno(), json.dumps(message).encode() + b"\n")

    def _message(self) -> dict[str, Any]:
        assert self.process is not None
        assert self.process.stdout is not None
        descriptor = self.process.stdout.fileno()
        while b"\n" not in self._unread:
            if not select.select([descriptor], [], [], STALLED_AFTER)[0]:
                raise ServerError(f"no answer in {STALLED_AFTER:.0f} s")
            data = os.read(descriptor, READ_SIZE)
            if not data:
                raise ServerError("ended its output")
            self._unread += data
        line, _, self._unread = self._unread.partition(b"\n")
        message: dict[str, Any] = json.loads(line)
        return message
