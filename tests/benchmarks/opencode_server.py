"""The column of ``opencode serve``: HTTP, one connection that is kept open."""

from __future__ import annotations

import http.client
import json
import re
import select
from collections.abc import Callable
from typing import Any, Final

from benchmarks.lean_client import ServerError
from benchmarks.other_server import STALLED_AFTER, OtherServer
from benchmarks.results import OPENCODE
from benchmarks.workload import CONTENT

LISTENING: Final = re.compile(rb"listening on http://127\.0\.0\.1:(\d+)")
BY_ITSELF: Final = {
    "OPENCODE_DISABLE_AUTOUPDATE": "1",
    "OPENCODE_DISABLE_MODELS_FETCH": "1",
    "OPENCODE_DISABLE_DEFAULT_PLUGINS": "1",
    "OPENCODE_DISABLE_LSP_DOWNLOAD": "1",
}
"""What keeps it from the network."""


class OpencodeServer(OtherServer):
    """``opencode serve`` with sessions that have a title each."""

    column = OPENCODE
    _connection: http.client.HTTPConnection

    def operations_of(self) -> dict[str, Callable[[int], Any]]:
        """Return the nearest that it has."""
        message = {"noReply": True, "parts": [{"type": "text", "text": CONTENT}]}
        return {
            "getActive": lambda _: self._ask("GET", self._path(0)),
            "get": lambda number: self._ask("GET", self._path(number)),
            "list 10": lambda _: self._ask("GET", "/session?limit=10"),
            "create": lambda number: self.made.append(self._begin(f"new {number}")),
            "delete": lambda _: self._ask("DELETE", f"/session/{self.made.pop()}"),
            "updateMetadata": lambda number: self._ask(
                "PATCH", self._path(number), {"title": f"no. {number}"}
            ),
            "addContext": lambda _: self._ask("POST", f"{self._path(0)}/message", message),
        }

    def connect(self) -> None:
        """Start the process; it has found a port once it says so."""
        folders = {
            f"XDG_{kind}_HOME": str(self.home / kind.lower())
            for kind in ("DATA", "CONFIG", "STATE", "CACHE")
        }
        arguments = ("serve", "--pure", "--hostname", "127.0.0.1", "--port", "0")
        process = self.launch(*arguments, output=-1, **folders, **BY_ITSELF)
        seen = b""
        while not (found := LISTENING.search(seen)):
            ready = select.select([process.stdout], [], [], STALLED_AFTER)[0]
            data = process.stdout.read1() if ready else b""
            if not data:
                raise ServerError(f"does not listen: {seen.decode(errors='replace')}")
            seen += data
        port = int(found[1])
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=STALLED_AFTER)
        self._listed()

    def seed(self) -> None:
        """Make sessions; those of an earlier round are there as well."""
        self.sessions = self._listed()
        while len(self.sessions) < self.size:
            self.sessions.append(self._begin(f"session {len(self.sessions)}"))

    def disconnect(self) -> None:
        """Terminate it, which is how it is ended."""
        assert self.process is not None
        self._connection.close()
        self.process.terminate()

    def _listed(self) -> list[str]:
        return [one["id"] for one in self._ask("GET", f"/session?limit={self.size}")]

    def _begin(self, title: str) -> str:
        session: str = self._ask("POST", "/session", {"title": title})["id"]
        return session

    def _path(self, number: int) -> str:
        return f"/session/{self.sessions[number % len(self.sessions)]}"

    def _ask(self, verb: str, path: str, body: object = None) -> Any:
        content = None if body is None else json.dumps(body)
        try:
            self._connection.request(verb, path, content, {"Content-Type": "application/json"})
            answer = self._connection.getresponse()
            text = answer.read()
        except http.client.HTTPException as error:
            raise ServerError(f"{verb} {path}: {error!r}") from error
        if answer.status != 200:
            raise ServerError(f"{verb} {path} answered {answer.status} {text[:200]!r}")
        return json.loads(text)
