"""The daemons that tests have started: where they are, and how to end them."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import select
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from support.pipes import DEADLINE
from tenets_session_server.daemon import control
from tenets_session_server.daemon.address import FOLDER, Address


def socket_of(database: Path) -> Path:
    """Return where the socket of a database's process is, if there is one."""
    return folder() / Address(str(database)).socket_name


def folder() -> Path:
    """Return the folder of the sockets, as the environment of tests has it."""
    return Path(os.environ["XDG_RUNTIME_DIR"]) / FOLDER


def ask(path: Path, question: str, database: str) -> dict[str, str] | None:
    """Return the answer of a process, None where the connection ends without one."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(DEADLINE)
        connection.connect(str(path))
        connection.sendall(control.pack(question, database=database))
        with contextlib.suppress(ConnectionError):
            answer = control.receive(connection)
            while connection.recv(4096):
                pass
            return answer
    return None


def report(database: Path, place: Path | None = None) -> dict[str, Any]:
    """Return what ``status`` tells of the process of a database, with its socket in ``place``."""
    where = Address(str(database))
    with working_in(place or folder()):
        answer = ask(Path(where.socket_name), "status", where.database)
    assert answer is not None
    found = json.loads(answer["json"])
    assert isinstance(found, dict)
    return found


@contextlib.contextmanager
def frozen(database: Path) -> Iterator[int]:
    """Have the daemon of a database stopped for a while; the block gets its process id."""
    process = int(report(database)["pid"])
    os.kill(process, signal.SIGSTOP)
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, signal.SIGCONT)


async def ended(process_id: int) -> None:
    """Wait for the end of a process that is not our child."""
    with contextlib.suppress(ProcessLookupError):
        descriptor = os.pidfd_open(process_id)
        try:
            over = asyncio.Event()
            asyncio.get_running_loop().add_reader(descriptor, over.set)
            await asyncio.wait_for(over.wait(), DEADLINE)
        finally:
            asyncio.get_running_loop().remove_reader(descriptor)
            os.close(descriptor)


def is_running(process_id: int) -> bool:
    """Tell whether there is such a process."""
    return Path(f"/proc/{process_id}").exists()


def stop(database: Path, place: Path | None = None) -> None:
    """End all daemons of a database, with their sockets in ``place``."""
    where = Address(str(database))
    place = place or folder()
    for path in place.glob(f"{where.database_key}*.sock") if place.is_dir() else ():
        # Where it has ended already there is nothing to do.
        with working_in(place), contextlib.suppress(FileNotFoundError, ConnectionError):
            ask(Path(path.name), "stop", where.database)


def has_clients(database: Path) -> bool:
    """Tell whether the daemon of a database has clients, also after those that end have ended."""
    until = time.monotonic() + 1
    with contextlib.suppress(FileNotFoundError, ConnectionError):
        while report(database)["clients"]:
            if time.monotonic() > until:
                return True
            time.sleep(0.005)
    return False


@contextlib.contextmanager
def working_in(place: Path) -> Iterator[None]:
    """Have a working folder: the whole path may be longer than the name of a socket."""
    before = Path.cwd()
    os.chdir(place)
    try:
        yield
    finally:
        os.chdir(before)


def stop_all() -> None:
    """End every process that is left."""
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            started_by_tests = f"XDG_RUNTIME_DIR={os.environ['XDG_RUNTIME_DIR']}".encode()
            if (
                b"tenets_session_server/daemon" in (process / "cmdline").read_bytes()
                and started_by_tests in (process / "environ").read_bytes()
            ):
                descriptor = os.pidfd_open(int(process.name))
                os.kill(int(process.name), signal.SIGTERM)
                select.select([descriptor], [], [], DEADLINE)
                os.close(descriptor)
