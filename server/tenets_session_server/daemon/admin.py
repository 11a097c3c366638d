"""``tenets-session-server status`` and ``stop``: asks the daemons of a database, or ends them."""

from __future__ import annotations

import contextlib
import io
import json
import os
import sys
from datetime import datetime
from typing import Any, Final

from tenets_session_server.daemon import control, launch
from tenets_session_server.daemon.address import Address, UnsafeError, enter_runtime_directory
from tenets_session_server.daemon.control import ControlError

TIMEOUT: Final = 5.0
"""Seconds within which a daemon has to answer, and after ``stop`` to end."""


def run(command: str, database: str, reason: str, *, as_json: bool) -> int:
    """Execute ``status`` or ``stop`` and print the result; return the exit status.

    ``reason`` says why it is that database.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a path may have characters a terminal has not
            stream.reconfigure(errors="backslashreplace")
    try:
        address = Address(database)
        os.close(enter_runtime_directory())
        answers = _ask_all(address, command)
        if command == "stop":
            return _stopped(answers, address)
        return _status(answers, address, reason, as_json=as_json)
    except (UnsafeError, OSError) as error:
        print(f"tenets-session-server: {error}", file=sys.stderr)
        return 1


def _ask_all(address: Address, command: str) -> list[dict[str, str]]:
    """Return the daemons' answers, our own installation's first; print what goes wrong."""
    key, own = address.database_key, address.socket_name
    names = [name for name in os.listdir() if name.startswith(key) and name.endswith(".sock")]
    answers = []
    for name in sorted(names, key=lambda name: (name != own, name)):
        try:
            answer = _ask(name, control.pack(command, database=address.database))
        except (UnsafeError, ControlError, OSError) as error:
            print(f"tenets-session-server: {name}: {error}", file=sys.stderr)
        else:
            # Another database's daemon refuses: its key is the same by chance.
            if answer is not None and answer["kind"] != "refuse":
                answers.append(answer)
    return answers


def _ask(name: str, question: bytes) -> dict[str, str] | None:
    """Return a daemon's answer, None if it is not running. Waits for its end after ``stop``."""
    connection = launch.connect(name, TIMEOUT)
    if connection is None:
        return None
    with contextlib.closing(connection):
        try:
            connection.sendall(question)
            answer = control.receive(connection)
            while answer["kind"] == "stopping" and connection.recv(1):
                pass
        except ConnectionError:
            return None
        return answer


def _status(answers: list[dict[str, str]], address: Address, reason: str, *, as_json: bool) -> int:
    reports: list[dict[str, Any]] = [json.loads(answer["json"]) for answer in answers]
    for report in reports:
        report["reason"] = report["reason"] or reason
    if as_json:
        # After an upgrade, daemons of the old installation run for a while beside the new one's.
        first = {"running": True, **reports[0]} if reports else {"running": False}
        shown = {"database": address.database, "reason": reason, **first, "others": reports[1:]}
        print(json.dumps(shown, indent=2, ensure_ascii=False))
    elif reports:
        print("\n\n".join(map(_readable, reports)))
    else:
        print(f"no daemon serves {address.database} ({reason})")
    return 0 if reports else 1


def _stopped(answers: list[dict[str, str]], address: Address) -> int:
    for answer in answers:
        print(f"stopped process {answer['pid']}")
    if not answers:
        print(f"nothing to stop: no daemon serves {address.database}")
    return 0


def _readable(report: dict[str, Any]) -> str:
    clients = report["clients"]
    version, process, uptime = report["version"], report["pid"], _duration(report["uptime"])
    lines = [
        f"tenets-session-server {version}, process {process}, for {uptime}",
        f"database  {report['database']} ({report['reason']})",
        f"revision  {report['revision']}",
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
