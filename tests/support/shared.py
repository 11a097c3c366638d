"""The shared processes that tests have started: where they are, and an end to them."""

from __future__ import annotations

import contextlib
import json
import os
import socket
from pathlib import Path
from typing import Any

from support.wire import DEADLINE
from tenets_session_server.daemon import control
from tenets_session_server.daemon.address import FOLDER, Address

__all__ = ["folder", "report", "stop", "stop_all"]


def folder() -> Path:
    """Return the folder of the sockets, as the environment of tests has it."""
    return Path(os.environ["XDG_RUNTIME_DIR"]) / FOLDER


def ask(path: Path, question: str) -> dict[str, str] | None:
    """Return the answer of a process, None where the connection ends without one."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(DEADLINE)
        connection.connect(str(path))
        connection.sendall(control.pack(question))
        with contextlib.suppress(ConnectionError), connection.makefile("rb") as stream:
            prefix = stream.read(control.PREFIX_SIZE)
            if prefix:
                return control.unpack(stream.read(control.length(prefix)))
    return None


def report(database: Path) -> dict[str, Any]:
    """Return what ``status`` tells of the process of a database."""
    answer = ask(folder() / Address(str(database)).socket_name, "status")
    assert answer is not None
    found = json.loads(answer["json"])
    assert isinstance(found, dict)
    return found


def stop(database: Path) -> None:
    """End the processes of a database, whoever started them."""
    _stop(f"{Address(str(database)).database_key}*.sock")


def stop_all() -> None:
    """End every process that is left."""
    _stop("*.sock")


def _stop(pattern: str) -> None:
    for path in folder().glob(pattern):
        with contextlib.suppress(FileNotFoundError, ConnectionRefusedError):  # has ended already
            ask(path, "stop")
