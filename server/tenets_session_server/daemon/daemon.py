"""The daemon: accepts control connections, attaches clients, reports, and decides when to end."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import logging
import os
import socket
import sys
import time
from pathlib import Path
from typing import Any, Final

from tenets_session_server import __version__, logs
from tenets_session_server.daemon import limits
from tenets_session_server.daemon.address import Address, try_access
from tenets_session_server.daemon.automatic_backups import AutomaticBackups
from tenets_session_server.daemon.client_session import ClientSession, ControlConnection
from tenets_session_server.daemon.control import AttachRequest, ControlError
from tenets_session_server.daemon.launch import Lock
from tenets_session_server.daemon.listener import Listener
from tenets_session_server.errors import DatabaseError
from tenets_session_server.rpc.client import WARNING
from tenets_session_server.rpc.publisher import Publisher
from tenets_session_server.storage.store import Store

logger = logging.getLogger(__name__)

FIRST_CLIENT_TIMEOUT: Final = 60.0
"""Seconds within which a first client has to attach."""
RETRY_INTERVAL: Final = 0.2
"""Seconds until ending is tried again after it was not possible."""
LOCK_TIMEOUT: Final = 5.0
"""Seconds for which the end is put off because another process holds the lock."""


class Daemon:
    """The clients that have attached through the socket of an address.

    Each control connection has a task of its own (``_tasks``). Those that have attached a client
    are keys of ``_clients`` as well, until the client's exit status is known.

    The daemon ends when no client has been attached for as long as the last one asked for. Without
    clients it has the database closed: then other programs may copy or replace the file.
    """

    def __init__(
        self,
        store: Store,
        address: Address,
        listening: socket.socket,
        directory: int,
        log: Path | None,
    ) -> None:
        self._store, self._address = store, address
        self._publisher = Publisher(store)
        self._backups: AutomaticBackups | None = None
        if store.path is not None:
            self._backups = AutomaticBackups(store.path, lambda: store.is_open, self._tell)
        self._log = log
        self._started = time.monotonic()
        self._loop = asyncio.get_running_loop()
        self._tasks: set[asyncio.Task[None]] = set()
        self._clients: dict[asyncio.Task[None], ClientSession] = {}
        self._client_numbers = itertools.count(1)
        self._last_revision: int | None = None  # when the database was closed
        self._idle_timer: asyncio.TimerHandle | None = None
        self._lock_deadline = 0.0
        self._stopping = asyncio.Event()
        self._listener = Listener(
            address,
            listening,
            directory,
            self._accepted,
            lambda: self.stop("connections cannot be accepted"),
        )

    async def run(self) -> None:
        """Serve until no client has been attached for a while, or :meth:`stop` is called."""
        self._start_idle_timer(FIRST_CLIENT_TIMEOUT)
        if self._backups is not None:
            self._backups.start()
        await self._stopping.wait()
        if self._backups is not None:
            self._backups.stop()
        await self._listener.close()
        for client in self._clients.values():
            client.end("the daemon was stopped; restart the server")
        for task in self._tasks - self._clients.keys():
            task.cancel()  # its command gets no answer, and looks for another daemon
        if self._tasks:
            await asyncio.wait(self._tasks)

    def stop(self, reason: str) -> None:
        """End now: attached clients get the replies that are due, new ones another daemon."""
        if self._stopping.is_set():
            return
        logger.info("ending: %s", reason)
        self._stopping.set()
        self._stop_idle_timer()
        self._listener.remove()

    # -- clients -----------------------------------------------------------------------------

    def _accepted(self, connection: socket.socket) -> None:
        task = asyncio.ensure_future(self._answer(connection))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _answer(self, connection: socket.socket) -> None:
        with connection:
            try:
                command = ControlConnection(connection)
                message = await command.receive()
                if message["kind"] == "attach":
                    await self._attach(AttachRequest.parse(message), command)
                elif message.get("database") != self._address.database:
                    await command.send("refuse", reason="this daemon serves another database")
                elif message["kind"] == "status":
                    await command.send("report", json=json.dumps(self._report()))
                elif message["kind"] == "stop":
                    try:
                        await command.send("stopping", pid=os.getpid())
                        connection.detach()  # so that it closes when this process has ended
                    finally:
                        self.stop("the stop command")
                else:
                    await command.send("refuse", reason=f"unknown message {message['kind']}")
            except (ControlError, OSError) as error:  # timeouts included
                logger.info("a control connection ended: %s", error or type(error).__name__)
            except Exception:  # must not disturb other clients
                logger.exception("a control connection failed")

    async def _attach(self, request: AttachRequest, command: ControlConnection) -> None:
        task = asyncio.current_task()
        if self._stopping.is_set() or task is None:
            return  # the command gets no answer, and looks for another daemon
        reason = self._reason_to_refuse(request)
        if reason is not None:
            await command.send("refuse", reason=reason)
            return
        logs.CLIENT.set(f"client {next(self._client_numbers)}")
        client = ClientSession(request, command, self._store, self._publisher)
        self._clients[task] = client
        self._stop_idle_timer()
        logger.info("attached; its command is process %d", request.pid)
        status = None
        try:
            status = await client.run()
        finally:
            del self._clients[task]
            logger.info("detached")
            if not self._clients:
                self._start_idle_timer(request.idle_timeout)
                self._close_database()
            # Only now: when the last client's command has ended, the file may be replaced.
            if status is not None:
                await client.send_exit(status)

    def _reason_to_refuse(self, request: AttachRequest) -> str | None:
        address = self._address
        if request.database != address.database:
            return f"the daemon serves {address.database}"
        if request.installation != address.installation:
            return "the daemon belongs to another version or another interpreter"
        # Either is empty as long as there is no folder, or no file.
        identities = {address.folder_identity(), request.folder_identity} - {""}
        if len(identities) > 1:
            return f"{address.folder} is another folder for the daemon"
        if request.access != self._access():
            return "the daemon has other rights to the database"
        if (less := limits.less_than(request.limits)) is not None:
            return f"the daemon, which another editor has started, is allowed {less}"
        return None

    def _access(self) -> str:
        """Return what this process may do with the file, which it must not open once more."""
        if not self._store.is_open:
            return try_access(self._address.database)
        return "read" if self._store.is_read_only else "write"

    def _close_database(self) -> None:
        if self._store.is_open:  # else asking would open, or even create it
            with contextlib.suppress(DatabaseError):
                self._last_revision = self._store.change_log.state().revision
        if self._backups is not None:
            self._backups.give_up()
        self._store.release()
        self._publisher = Publisher(self._store)
        if self._store.reason is not None:
            # The database is in a former place only as long as another process uses it there.
            self.stop("the next process looks for the database again")

    def _tell(self, sentence: str) -> None:
        """Show a sentence to the users of all clients, as a warning."""
        self._publisher.show(WARNING, sentence)

    # -- the end -----------------------------------------------------------------------------

    def _start_idle_timer(self, seconds: float) -> None:
        self._stop_idle_timer()
        self._lock_deadline = self._loop.time() + seconds + LOCK_TIMEOUT
        self._idle_timer = self._loop.call_later(seconds, self._end_if_idle)

    def _stop_idle_timer(self) -> None:
        if self._idle_timer is not None:
            self._idle_timer.cancel()
            self._idle_timer = None

    def _end_if_idle(self) -> None:
        self._idle_timer = self._loop.call_later(RETRY_INTERVAL, self._end_if_idle)
        try:
            lock = Lock(self._address.lock_name, self._listener.directory)
        except FileNotFoundError:
            self.stop("the directory of the socket was removed")
            return
        with lock:
            # A command holds the lock while it looks for a daemon and starts one; it must not find
            # us now. A process that holds it for longer than LOCK_TIMEOUT does something else.
            free = lock.acquire() or self._loop.time() > self._lock_deadline
            if free and not self._tasks:
                self.stop("no clients")

    # -- the report --------------------------------------------------------------------------

    def _report(self) -> dict[str, Any]:
        """Return what ``status --json`` prints.

        Without clients the database is closed, and stays so: then ``sessions`` and ``active`` are
        not known, and ``revision`` is the last one. ``problem`` says why it cannot be used.
        """
        found: dict[str, Any] = {"revision": None, "sessions": None, "active": None}
        problem = None
        if self._clients:
            try:
                totals, active = self._store.totals(), self._store.sessions.get_active()
                found = {
                    "revision": totals.revision,
                    "sessions": totals.sessions,
                    "active": None if active is None else active.name,
                }
            except DatabaseError as error:
                problem = str(error)
        else:
            found["revision"] = self._last_revision
        return {
            "pid": os.getpid(),
            "uptime": round(time.monotonic() - self._started, 3),
            "version": __version__,
            "python": sys.executable,
            "database": self._store.name,
            "reason": self._store.reason,
            "problem": problem,
            **found,
            "log": None if self._log is None else str(self._log),
            "clients": [client.describe() for client in self._clients.values()],
        }
