"""The processes that are compared: how each is started, spoken to and ended."""

from __future__ import annotations

import itertools
import os
import shutil
import sys
import time
from pathlib import Path
from typing import Any, Final

from benchmarks.lean_client import LeanClient, ServerError, request
from benchmarks.report import OURS, PIPE, RSS_START, START, Results
from tenets_session_server.config import TenetsConfig
from tenets_session_server.storage.session_db import SessionDB

HERE: Final = Path(__file__).resolve().parent
SESSIONS: Final = 10
ACTIVE: Final = "session-3"
ECHO: Final = "echo"
METADATA: Final = {"pinned_files": ["/home/user/project/src/main.py"], "note": "kept by its user"}


class Contestant:
    """One column's processes; the one that answers ``echo`` also answers the rest, but for ours."""

    echo: LeanClient
    rest: LeanClient

    def __init__(self, column: str, folder: Path) -> None:
        self.column = column
        self._folder = folder
        self._log_path = folder / f"{column}.log"
        self._clients: list[LeanClient] = []
        self._ids = itertools.count(1)

    def start(self, results: Results) -> None:
        """Start the processes and initialize them."""
        self.rest = self.echo = self._start(_command(self.column, self._folder))
        if self.column == PIPE:
            return
        self._initialize(self.rest)
        results.add(START, self.column, (time.perf_counter_ns() - self.rest.started_at) / 1e6)
        results.add(RSS_START, self.column, self.rest.resident_mib())
        if self.column == OURS:
            self.echo = self._start(_script("our_echo_server.py", self._folder / "echo.db"))
            self._initialize(self.echo)

    def request(self, method: str, params: object) -> bytes:
        """Return a request with the next id; for ``cat``, what a server would answer."""
        return request(next(self._ids), method, params)

    def client(self, method: str) -> LeanClient:
        """Return the connection to the process that answers ``method``."""
        return self.echo if method == ECHO else self.rest

    def end(self) -> None:
        """End the processes as LSP has it. Raises where one does not."""
        for client in self._clients:
            if self.column != PIPE:
                client.call(self.request("shutdown", None))
                client.tell("exit")
            if (status := client.end()) != 0:
                raise ServerError(f"exit status {status}")

    def kill(self) -> None:
        """End the processes that still run, whatever they do."""
        for client in self._clients:
            client.kill()

    def log_tail(self) -> str:
        """Return the last lines of what the processes wrote to stderr."""
        lines = self._log_path.read_text(encoding="utf-8", errors="replace").splitlines()
        return "\n".join(f"    {line}" for line in lines[-8:])

    def _start(self, command: list[str]) -> LeanClient:
        with self._log_path.open("ab") as log:
            client = LeanClient(command, log, echoing=self.column == PIPE)
        self._clients.append(client)
        return client

    def _initialize(self, client: LeanClient) -> None:
        params: dict[str, Any] = {"processId": os.getpid(), "rootUri": None, "capabilities": {}}
        client.call(self.request("initialize", params))
        client.tell("initialized")


def _script(name: str, database: Path) -> list[str]:
    return [sys.executable, str(HERE / name), str(database)]


def _command(column: str, folder: Path) -> list[str]:
    database = folder / f"{column}.db"
    match column:
        case "pipe":
            return [shutil.which("cat") or "cat"]
        case "ours":
            command = [sys.executable, "-m", "tenets_session_server", "--standalone"]
            return [*command, "--database", str(database)]
        case _:
            return _script(f"{column}_server.py", database)


def open_store(path: Path) -> SessionDB:
    """Open a database with the settings under which our server runs."""
    return SessionDB(TenetsConfig(database=path, synchronous="full", busy_timeout=0.0))


def prepare(path: Path) -> None:
    """Make a database with ten sessions, one of them active."""
    with open_store(path) as session_db:
        for number in range(SESSIONS):
            session_db.create_session(f"session-{number}", METADATA)
        session_db.set_active(ACTIVE, True)
