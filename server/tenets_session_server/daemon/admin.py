"""``tenets-session-server status`` and ``stop``: what serves a database, and an end to it."""

from __future__ import annotations

import io
import json
import os
import socket
import sys
from datetime import datetime
from typing import Any, Final

from tenets_session_server.daemon import address, control
from tenets_session_server.daemon.address import Address, UnsafeError
from tenets_session_server.daemon.control import ControlError
from tenets_session_server.daemon.shim import receive

PATIENCE: Final = 5.0
"""Seconds within which a process has to answer."""


def run(command: str, database: str, *, as_json: bool) -> int:
    """Do it and print the result; return the exit status."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a terminal may not know the characters of a path
            stream.reconfigure(errors="backslashreplace")
    try:
        where = Address(database)
        os.close(address.enter_folder())
        found = _sockets(where)
        if command == "stop":
            return _stop(found, where)
        return _status(found, where, as_json=as_json)
    except (UnsafeError, ControlError, OSError) as error:
        print(f"tenets-session-server: {error}", file=sys.stderr)
        return 1


def _sockets(where: Address) -> list[str]:
    """Return the sockets of this database, our own installation's first."""
    names = [
        name
        for name in os.listdir(".")
        if name.startswith(where.database_key) and name.endswith(".sock")
    ]
    return sorted(names, key=lambda name: (name != where.socket_name, name))


def _ask_all(names: list[str], where: Address, question: str) -> list[dict[str, str]]:
    """Return the answers; whoever does not give any is complained of."""
    answers = []
    for name in names:
        try:
            answer = _ask(name, control.pack(question, database=where.database))
        except (UnsafeError, ControlError, OSError) as error:
            print(f"tenets-session-server: {name}: {error}", file=sys.stderr)
        else:
            if answer is not None and answer["kind"] != "refuse":  # of the same name by chance
                answers.append(answer)
    return answers


def _ask(name: str, question: bytes) -> dict[str, str] | None:
    """Return the answer, None where nobody listens or is there to answer.

    After ``stop`` the connection ends with the process, which is waited for.
    """
    if not address.check_socket(name):
        return None
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(PATIENCE)
        try:
            connection.connect(name)
        except (FileNotFoundError, ConnectionRefusedError):
            return None
        control.check_peer(connection)
        try:
            connection.sendall(question)
            answer = receive(connection)
            while answer["kind"] == "stopping" and connection.recv(1):
                pass
        except ConnectionError:
            return None
        except TimeoutError:
            raise ControlError("the shared process does not answer") from None
        return answer


def _status(names: list[str], where: Address, *, as_json: bool) -> int:
    answers = _ask_all(names, where, "status")
    reports: list[dict[str, Any]] = [json.loads(answer["json"]) for answer in answers]
    if as_json:
        # Other versions', or other installations', are there for a while after an upgrade.
        first = {"running": True, **reports[0]} if reports else {"running": False}
        shown = {"database": where.database, **first, "others": reports[1:]}
        print(json.dumps(shown, indent=2, ensure_ascii=False))
    elif reports:
        print("\n\n".join(map(_readable, reports)))
    else:
        print(f"no shared process has {where.database} open")
    return 0 if reports else 1


def _stop(names: list[str], where: Address) -> int:
    stopped = [answer["pid"] for answer in _ask_all(names, where, "stop")]
    for process_id in stopped:
        print(f"stopped process {process_id}")
    if not stopped:
        print(f"stopped nothing: no shared process has {where.database} open")
    return 0


def _readable(report: dict[str, Any]) -> str:
    clients = report["clients"]
    version, process, uptime = report["version"], report["pid"], _duration(report["uptime"])
    lines = [
        f"tenets-session-server {version}, process {process}, for {uptime}",
        f"database  {report['database']} (revision {report['revision']})",
        f"log       {report['log']}",
        f"clients   {len(clients) or 'none'}",
        *(f"  {_client(client)}" for client in clients),
    ]
    # Names come from editors, and a terminal obeys control characters.
    return "\n".join("".join(c if c.isprintable() else "?" for c in line) for line in lines)


def _client(client: dict[str, Any]) -> str:
    name = " ".join(filter(None, (client["name"] or "unnamed", client["version"])))
    editor = "" if client["processId"] is None else f" of {client['processId']}"
    since = datetime.fromisoformat(client["connectedAt"]).astimezone()
    return f"{name}, process {client['pid']}{editor}, since {since:%Y-%m-%d %H:%M:%S}"


def _duration(seconds: float) -> str:
    minutes, hours = seconds / 60, seconds / 3600
    if minutes < 2:
        return f"{seconds:.0f} s"
    return f"{minutes:.0f} min" if hours < 2 else f"{hours:.0f} h"
