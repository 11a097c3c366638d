"""``tenets-session-server status`` and ``stop``: asks the daemons of a database, or ends them."""

from __future__ import annotations

import contextlib
import io
import json
import os
import signal
import sys
from collections.abc import Callable
from datetime import datetime
from typing import Any, Final

from tenets_session_server.daemon import address as addresses
from tenets_session_server.daemon import control, launch, processes
from tenets_session_server.daemon.address import Address, UnsafeError
from tenets_session_server.daemon.control import ControlError

ANSWER_TIMEOUT: Final = 5.0
"""Seconds within which a daemon has to answer, and after ``stop`` to end."""
SIGNAL_TIMEOUT: Final = 2.0
"""Seconds within which a daemon that does not answer has to end after a signal."""
UNREACHABLE: Final = (
    "cannot be reached: its socket is gone, or in the folder of another XDG_RUNTIME_DIR"
)
OTHERS: Final = "And for editors of another version, installation or environment:"
"""Stands before each further daemon of the same database."""


class NotAnsweringError(Exception):
    """A daemon is running and does not answer, or cannot be reached.

    ``pid`` is its process, None if that is unknown.
    """

    def __init__(self, pid: int | None, problem: str = "does not answer") -> None:
        super().__init__(f"process {pid or 'of unknown id'} {problem}")
        self.pid = pid


def run(command: str, database: str, reason: str, *, as_json: bool) -> int:
    """Execute ``status`` or ``stop`` and print the result; return the exit status.

    ``reason`` says why it is that database.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a path may have characters a terminal has not
            stream.reconfigure(errors="backslashreplace")
    try:
        address = Address(database)
        answers, silent = ask_all(address, command, _complain)
        if command == "stop":
            return _stopped(answers, silent, address)
        return _status(answers, silent, address, reason, as_json=as_json)
    except (UnsafeError, OSError) as error:
        _complain(str(error))
        return 1


def _complain(problem: str) -> None:
    print(f"tenets-session-server: {problem}", file=sys.stderr)


def ask_all(
    address: Address, command: str, complain: Callable[[str], None]
) -> tuple[list[dict[str, Any]], list[NotAnsweringError]]:
    """Return the daemons' answers, our own installation's first, and those that do not answer.

    An answer is the report after ``status``, and has the ``pid`` after ``stop``. ``complain`` gets
    what is wrong with a folder of sockets. Changes the working directory.
    """
    running = processes.daemons(address.database)
    answers: list[dict[str, Any]] = []
    silent: list[NotAnsweringError] = []
    for directory in addresses.existing_directories():
        try:
            os.close(addresses.enter(directory))
        except (UnsafeError, OSError) as error:
            complain(str(error))
        else:
            _ask_in_directory(address, command, answers, silent, complain)
    found = {answer["pid"] for answer in answers} | {error.pid for error in silent}
    others = [pid for pid in running if pid not in found]
    if None in found and others:  # these are the ones that do not answer
        silent = [error for error in silent if error.pid is not None]
        return answers, silent + [NotAnsweringError(pid) for pid in others]
    return answers, silent + [NotAnsweringError(pid, UNREACHABLE) for pid in others]


def _ask_in_directory(
    address: Address,
    command: str,
    answers: list[dict[str, Any]],
    silent: list[NotAnsweringError],
    complain: Callable[[str], None],
) -> None:
    """Ask the daemons whose sockets are in the working directory."""
    key, own = address.database_key, address.socket_name
    names = [name for name in os.listdir() if name.startswith(key) and name.endswith(".sock")]
    for name in sorted(names, key=lambda name: (name != own, name)):
        try:
            answer = _ask(name, control.pack(command, database=address.database))
        except NotAnsweringError as error:
            # Before a daemon has started, its socket belongs to the command that starts it.
            known = error.pid is not None and processes.is_daemon(error.pid, address.database)
            silent.append(error if known else NotAnsweringError(None))
        except (UnsafeError, ControlError, OSError) as error:
            complain(f"{name}: {error}")
        else:
            # Another database's daemon refuses: its key is the same by chance.
            if answer is not None and answer["kind"] == "stopping":
                answers.append({"pid": int(answer["pid"])})
            elif answer is not None and answer["kind"] == "report":
                answers.append(json.loads(answer["json"]))


def _ask(name: str, question: bytes) -> dict[str, str] | None:
    """Return a daemon's answer, None if it is not running. Waits for its end after ``stop``.

    Raises :class:`NotAnsweringError`, and what :func:`.launch.connect` raises.
    """
    connection = launch.connect(name, ANSWER_TIMEOUT)
    if connection is None:
        return None
    with contextlib.closing(connection):
        pid = control.check_peer(connection)  # the system knows it, also of a stopped process
        try:
            connection.sendall(question)
            answer = control.receive(connection)
            while answer["kind"] == "stopping" and connection.recv(1):
                pass
        except ConnectionError:
            return None
        except (control.NoAnswerError, TimeoutError):
            raise NotAnsweringError(pid) from None
        return answer


def _status(
    reports: list[dict[str, Any]],
    silent: list[NotAnsweringError],
    address: Address,
    reason: str,
    *,
    as_json: bool,
) -> int:
    for report in reports:
        report["reason"] = report["reason"] or reason
    if as_json:
        first = {"running": True, **reports[0]} if reports else {"running": False}
        shown = {"database": address.database, "reason": reason, **first, "others": reports[1:]}
        if silent:
            shown["notAnswering"] = [error.pid for error in silent]
        print(json.dumps(shown, indent=2, ensure_ascii=False))
    elif reports:
        print(f"\n\n{OTHERS}\n\n".join(map(_readable, reports)))
    elif not silent:
        print(f"no daemon serves {address.database} ({reason})")
    for error in silent:
        print(f"tenets-session-server: {error}; `stop` ends it", file=sys.stderr)
    return 0 if reports and not silent else 1


def _stopped(
    answers: list[dict[str, Any]], silent: list[NotAnsweringError], address: Address
) -> int:
    for answer in answers:
        print(f"stopped process {answer['pid']}")
    if not answers and not silent:
        print(f"nothing to stop: no daemon serves {address.database}")
    left = [error for error in silent if not _end(error, address)]
    return 1 if left else 0


def _end(error: NotAnsweringError, address: Address) -> bool:
    """End a daemon that does not answer, step by step; return whether it has ended."""
    print(f"tenets-session-server: {error}", file=sys.stderr)
    if error.pid is None:
        return False
    # A stopped process takes the first signal when it is continued by the second.
    for number, step in (
        (signal.SIGTERM, "asked it to end"),
        (signal.SIGCONT, "continued it"),
        (signal.SIGKILL, "killed it"),
    ):
        print(step)
        if processes.end(error.pid, address.database, number, SIGNAL_TIMEOUT):
            print(f"stopped process {error.pid}")
            return True
    return False


def _readable(report: dict[str, Any]) -> str:
    clients = report["clients"]
    version, process, uptime = report["version"], report["pid"], _duration(report["uptime"])
    lines = [
        f"tenets-session-server {version}, process {process}, for {uptime}",
        f"database  {report['database']} ({report['reason']})",
        *([f"problem   {report['problem']}"] if report.get("problem") else []),
        *([] if report["revision"] is None else [f"revision  {report['revision']}"]),
        *_sessions(report),
        f"log       {report['log']}",
        f"clients   {len(clients) or 'none'}",
        *(f"  {_client(client)}" for client in clients),
    ]
    # Names come from editors, and a terminal obeys control characters.
    return "\n".join("".join(c if c.isprintable() else "?" for c in line) for line in lines)


def _sessions(report: dict[str, Any]) -> list[str]:
    """Return the line about sessions; none while the daemon has the database closed."""
    if report.get("sessions") is None:
        return []
    active = "none is active" if report["active"] is None else f"active: {report['active']}"
    return [f"sessions  {report['sessions']}, {active}"]


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
