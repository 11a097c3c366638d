"""Takes in the clients of the shared process, tells about them, and decides when it is over."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import socket
import sys
import time
from pathlib import Path
from typing import Any, Final

from tenets_session_server import __version__, logs
from tenets_session_server.daemon.address import Address
from tenets_session_server.daemon.channel import Channel
from tenets_session_server.daemon.client_session import Attachment, Offer
from tenets_session_server.daemon.control import ControlError
from tenets_session_server.daemon.launch import Lock
from tenets_session_server.errors import DatabaseError
from tenets_session_server.rpc.publisher import Publisher
from tenets_session_server.storage.store import Store

logger = logging.getLogger(__name__)

FIRST_TIMEOUT: Final = 60.0
"""Seconds within which a first client has to come."""
RETRY: Final = 0.2
"""Seconds until what was not possible is tried again: taking connections, and ending."""
PATIENT: Final = 25
"""How often the end is postponed because somebody else has the lock."""


class Listener:
    """The process' socket, and everybody who has come through it."""

    def __init__(
        self,
        store: Store,
        where: Address,
        listener: socket.socket,
        folder: int,
        log: Path | None,
    ) -> None:
        self.store, self.where = store, where
        self._publisher = Publisher(store)
        self._listener, self._folder, self._log = listener, folder, log
        self._bound = os.stat(where.socket_name, dir_fd=folder).st_ino
        self._started = time.monotonic()
        self._clients: dict[int, Attachment] = {}
        self._numbers = 0
        self._conversations: set[asyncio.Task[None]] = set()
        self._attached: set[asyncio.Task[None]] = set()
        self._revision: int | None = None  # when it was looked for last
        self._idle: asyncio.TimerHandle | None = None
        self._over = asyncio.Event()
        self._postponed = 0  # how often the end has been, for others' lock
        self._stopped_by: str | None = None

    async def run(self) -> None:
        """Serve until nobody has been here for a while, or somebody stops it."""
        self._listener.setblocking(False)
        self._wait_for_clients(FIRST_TIMEOUT)
        accepting = asyncio.ensure_future(self._accept())
        over = asyncio.ensure_future(self._over.wait())
        await asyncio.wait({accepting, over}, return_when=asyncio.FIRST_COMPLETED)
        if accepting.done() and not accepting.cancelled():
            logger.error("no connections can be taken any more", exc_info=accepting.exception())
            self.stop("a failure")
        for task in (accepting, over):
            task.cancel()
        await asyncio.wait({accepting, over})
        self._listener.close()
        logger.info("ending: %s", self._stopped_by or "nobody is left")
        for client in tuple(self._clients.values()):
            client.dismiss("the shared process has been stopped; start it anew")
        for conversation in self._conversations - self._attached:
            conversation.cancel()  # unanswered, its command looks for another process
        if self._conversations:
            await asyncio.wait(self._conversations)

    def stop(self, reason: str) -> None:
        """End now: who is here gets the replies that are due; who comes later, another process."""
        if self._over.is_set():
            return
        self._stopped_by = reason
        self._remove_socket()
        self._over.set()

    # -- coming and going --------------------------------------------------------------------

    async def _accept(self) -> None:
        loop, failing = asyncio.get_running_loop(), False
        while True:
            try:
                connection, _ = await loop.sock_accept(self._listener)
            except OSError as error:  # most likely no descriptors are left
                if not failing:
                    logger.error("connections cannot be taken: %s", error)  # noqa: TRY400
                failing = True
                await asyncio.sleep(RETRY)
                continue
            failing = False
            conversation = asyncio.ensure_future(self._converse(connection))
            self._conversations.add(conversation)
            conversation.add_done_callback(self._conversations.discard)
            conversation.add_done_callback(self._attached.discard)

    async def _converse(self, connection: socket.socket) -> None:
        with connection:
            try:
                channel = Channel(connection)
                wanted = await channel.receive()
                if wanted["kind"] == "attach":
                    await self._attach(Offer(wanted), channel)
                elif wanted.get("database") != self.where.database:
                    await channel.send("refuse", reason="this is another database's process")
                elif wanted["kind"] == "status":
                    await channel.send("report", json=json.dumps(self._report()))
                elif wanted["kind"] == "stop":
                    await channel.send("stopping", pid=os.getpid())
                    os.dup(connection.fileno())  # kept open: its end tells of ours
                    self.stop("somebody has asked for that")
                else:
                    await channel.send("refuse", reason=f"{wanted['kind']} is unknown here")
            except (ControlError, OSError) as error:  # timeouts included
                logger.info("a connection was ended: %s", error or type(error).__name__)
            except Exception:  # of one is no trouble of the others
                logger.exception("a connection has failed")

    async def _attach(self, offer: Offer, channel: Channel) -> None:
        if self._over.is_set():
            return  # unanswered, its command looks for another process
        reason = self._reason_to_refuse(offer)
        if reason is not None:
            await channel.send("refuse", reason=reason)
            return
        self._numbers += 1
        number = self._numbers
        logs.CLIENT.set(f"client {number}")
        if (task := asyncio.current_task()) is not None:
            self._attached.add(task)
        client = Attachment(offer, channel, self.store, self._publisher)
        self._clients[number] = client
        self._do_not_wait()
        logger.info("attached, by process %d", offer.process_id)
        status = None
        try:
            status = await client.serve(lambda: self._prepare_database(offer))
        finally:
            del self._clients[number]
            logger.info("detached")
            if not self._clients:
                self._wait_for_clients(offer.idle_timeout)
                self._let_go_of_the_database()
            if status is not None:  # after the last one the file is nobody's by now
                await client.release(status)

    def _reason_to_refuse(self, offer: Offer) -> str | None:
        if offer.database != self.where.database:
            return f"the shared process serves {self.where.database}"
        if offer.installation != self.where.installation:
            return "the shared process is another version's or another interpreter's"
        here, there = self.where.folder_identity(), offer.folder
        if here and there and here != there:
            return f"{self.where.folder} is another folder for the shared process"
        here, there = self.where.access(), offer.access
        if here and there and here != there:
            return "the shared process has other rights to the database"
        return None

    def _prepare_database(self, offer: Offer) -> None:
        """Do for a new client what a process of its own would do at its start."""
        if offer.durable:
            self.store.database.require_durability()
        self.store.open_for_client()

    def _let_go_of_the_database(self) -> None:
        """Close it, as a process of its own would: somebody may copy or replace the file now."""
        self._revision = self._newest_revision()
        self.store.database.release()
        self._publisher = Publisher(self.store)

    # -- the end -----------------------------------------------------------------------------

    def _do_not_wait(self) -> None:
        self._postponed = 0
        if self._idle is not None:
            self._idle.cancel()
            self._idle = None

    def _wait_for_clients(self, seconds: float) -> None:
        self._do_not_wait()
        self._idle = asyncio.get_running_loop().call_later(seconds, self._end_if_idle)

    def _end_if_idle(self) -> None:
        self._idle = asyncio.get_running_loop().call_later(RETRY, self._end_if_idle)
        try:
            lock = Lock(self.where.lock_name, self._folder)
        except FileNotFoundError:  # somebody has removed the folder: nobody can come any more
            self._over.set()
            return
        try:
            # Under the lock: nobody may be starting a process in our place, or come just now.
            # Whoever has it for so long does neither.
            self._postponed += 1
            if (lock.take() or self._postponed > PATIENT) and not self._conversations:
                self._remove_socket()
                self._over.set()
        finally:
            lock.close()

    def _remove_socket(self) -> None:
        with contextlib.suppress(FileNotFoundError):
            found = os.stat(self.where.socket_name, dir_fd=self._folder, follow_symlinks=False)
            if found.st_ino == self._bound:  # else it is another process' by now
                os.unlink(self.where.socket_name, dir_fd=self._folder)

    # -- telling -----------------------------------------------------------------------------

    def _report(self) -> dict[str, Any]:
        """Return what ``status --json`` prints."""
        return {
            "pid": os.getpid(),
            "uptime": round(time.monotonic() - self._started, 3),
            "version": __version__,
            "python": sys.executable,
            "database": self.store.database.name,
            "revision": self._newest_revision(),
            "log": None if self._log is None else str(self._log),
            "clients": [client.describe() for client in self._clients.values()],
        }

    def _newest_revision(self) -> int | None:
        """Return the newest revision; where nobody has the database open, what it was then."""
        if not self.store.database.is_open:
            return self._revision
        try:
            return self.store.change_log.newest_revision()
        except DatabaseError:
            return None
