"""Looks at the daemons of one database, and at their sockets."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from tenets_session_server import __version__
from tenets_session_server.daemon import address as addresses
from tenets_session_server.daemon import admin
from tenets_session_server.daemon.address import Address, UnsafeError
from tenets_session_server.daemon.control import SUPPORTED, socket
from tenets_session_server.storage.findings import Finding

STOP = "run: tenets-session-server stop"


def check(database: str) -> Iterator[Finding]:
    """Yield what is found about the daemons of a database."""
    if not SUPPORTED:
        yield Finding("daemon", "ok", f"there is none on {sys.platform}: each editor has a server")
        return
    address = Address(database)
    complaints: list[str] = []
    with contextlib.chdir("."):  # asking changes it
        reports, silent = admin.ask_all(address, "status", complaints.append)
        stale = list(_stale_sockets(address))
    for report in reports:
        yield _of_report(report)
    for error in silent:
        says = f"{error}: its editors wait for it"
        yield Finding("daemon", "problem", says, f"{STOP}; editors start another one")
    if not reports and not silent:
        yield Finding("daemon", "ok", "none runs; the first editor starts one")
    for complaint in complaints:
        todo = "remove it, or give it to your user with mode 700; until then it is not used"
        yield Finding("sockets", "problem", complaint, todo)
    if stale:

        def fix() -> str:
            for path in stale:
                with contextlib.suppress(FileNotFoundError):
                    path.unlink()
            return "they were removed"

        says = f"{len(stale)} of daemons that were killed are left"
        yield Finding("sockets", "note", says, "the next daemon removes its own", fix)
    elif not complaints:
        yield Finding("sockets", "ok", ", ".join(addresses.existing_directories()) or "none yet")


def _of_report(report: dict[str, object]) -> Finding:
    clients = report["clients"]
    count = len(clients) if isinstance(clients, list) else 0
    says = f"process {report['pid']} of version {report['version']} serves {count} client(s)"
    if report.get("problem"):
        todo = "see what is said about the database; if it is gone: tenets-session recover"
        return Finding(
            "daemon", "problem", f"{says}, but not the database: {report['problem']}", todo
        )
    # One environment has several names of one interpreter: python, python3.
    own = Path(sys.executable).parent == Path(str(report["python"])).parent
    if report["version"] != __version__ or not own:
        says += f", with {report['python']}: another version or installation than this command"
        todo = f"two work beside each other; to have one only, {STOP}, and restart the editors"
        return Finding("daemon", "note", says, todo)
    return Finding("daemon", "ok", f"{says}; its log is {report['log']}")


def _stale_sockets(address: Address) -> Iterator[Path]:
    """Yield the sockets of this database that no process listens to."""
    for folder in addresses.existing_directories():
        try:
            os.close(addresses.enter(folder))
        except (UnsafeError, OSError):
            continue  # it was complained about
        for path in Path().glob(f"{address.database_key}*.sock"):
            with contextlib.suppress(UnsafeError, OSError):
                if addresses.check_socket(path.name) and not _is_listening(path.name):
                    yield Path(folder, path.name)


def _is_listening(name: str) -> bool:
    with contextlib.closing(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)) as connection:
        try:
            connection.connect(name)
        except ConnectionRefusedError:
            return False
    return True
