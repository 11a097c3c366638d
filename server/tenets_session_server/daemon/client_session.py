"""One client of the shared process: what its command has agreed with us, and its connection."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from typing import TYPE_CHECKING, Any, Final

from tenets_session_server import logs
from tenets_session_server.cli import options
from tenets_session_server.daemon import control
from tenets_session_server.daemon.channel import Channel
from tenets_session_server.rpc.connection import Connection
from tenets_session_server.rpc.pygls_server import SessionServer, create_server

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tenets_session_server.rpc.publisher import Publisher
    from tenets_session_server.storage.store import Store

logger = logging.getLogger(__name__)

DESCRIPTORS: Final = 3
"""stdin, stdout, and where to log."""
LOG_INTERVAL: Final = 0.005
"""Seconds between looks whether a log has been written."""
LOOK_INTERVAL: Final = 1.0
"""Seconds between looks whether a path with links still leads where it did."""


class Offer:
    """What a command says of itself when it wants its editor served.

    Raises :class:`.control.ControlError` where something is missing or cannot be.
    """

    def __init__(self, fields: Mapping[str, str]) -> None:
        try:
            self.path, self.database = fields["path"], fields["database"]
            self.installation = fields["installation"]
            self.folder, self.access = fields["folder"], fields["access"]
            self.log_level, self.synchronous = fields["log_level"], fields["synchronous"]
            self.idle_timeout = options.seconds(fields["idle_timeout"])
            self.process_id = int(fields["pid"])
        except (KeyError, ValueError) as error:
            raise control.ControlError(f"an offer that cannot be understood: {error}") from None
        if self.log_level not in options.LOG_LEVELS:
            raise control.ControlError(f"an unknown log level: {self.log_level}")

    @property
    def durable(self) -> bool:
        """Whether commits have to be on the disk before they are acknowledged."""
        return self.synchronous != "normal"


class Attachment:
    """A client, from its command's offer to its exit status.

    ``server`` is what it is served by.
    """

    def __init__(self, offer: Offer, channel: Channel, store: Store, publisher: Publisher) -> None:
        self._offer, self._channel = offer, channel
        self._connection: Connection | None = None
        self._dismissed: str | None = None
        self.server: SessionServer = create_server(store, publisher, command_pid=offer.process_id)

    async def serve(self, prepare: Callable[[], None]) -> int | None:
        """Take the client's streams and serve it to its end; return the exit status.

        ``prepare`` is called when the client can be logged and before it is heard. Returns None
        where it never was: unanswered, its command looks for another process.
        """
        await self._channel.send("ready")
        message, streams = await self._channel.receive_descriptors(DESCRIPTORS)
        with contextlib.ExitStack() as held:
            for descriptor in streams:
                held.callback(os.close, descriptor)
            self._expect("serve", message)
            if self._dismissed is not None:
                return None
            stdin, stdout, log = streams
            handler = logs.add_client(str(logs.CLIENT.get()), self._offer.log_level, os.dup(log))
            held.callback(logs.remove, handler)
            prepare()
            await self._channel.send("serving")
            self._expect("go", await self._channel.receive())
            status = await self._serve_streams(stdin, stdout)
            await self._until_logged(handler)
        return status

    @staticmethod
    def _expect(kind: str, message: Mapping[str, str]) -> None:
        if message["kind"] != kind:
            raise control.ControlError(f"expected {kind}, got {message['kind']}")

    async def release(self, status: int) -> None:
        """Have the command end with a status; it may have ended before."""
        reason: dict[str, str] = {} if self._dismissed is None else {"reason": self._dismissed}
        with contextlib.suppress(OSError):
            await self._channel.send("exit", status=status, **reason)

    @staticmethod
    async def _until_logged(handler: logs.BackgroundHandler) -> None:
        """Wait, but not for long, until the client's log is written."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + logs.LAST_WORDS
        while not handler.idle and loop.time() < deadline:  # noqa: ASYNC110 - written by a thread
            await asyncio.sleep(LOG_INTERVAL)

    def describe(self) -> dict[str, Any]:
        """Return who it is, as plain values."""
        return self.server.client.describe().plain()

    def dismiss(self, reason: str) -> None:
        """End the connection when what has arrived is done; its command prints the reason."""
        if self._dismissed is None:
            self._dismissed = reason
            if self._connection is not None:
                self._connection.leave(reason)

    async def _serve_streams(self, stdin: int, stdout: int) -> int:
        # Where numbers of processes mean something else to the client, it is in a container.
        same_numbers = self._offer.process_id == self._channel.process_id
        connection = Connection(self.server, stdin, stdout, watch_client=same_numbers)
        self._connection = connection
        if self._dismissed is not None:
            connection.leave(self._dismissed)
        looking = asyncio.ensure_future(self._look_where_the_path_leads())
        try:
            with self._channel.watched(lambda: connection.leave("its command has ended")):
                status = await connection.finished
        finally:
            looking.cancel()
            connection.close()
        return status

    async def _look_where_the_path_leads(self) -> None:
        """End the connection when the client's path, links resolved, becomes another one."""
        path = self._offer.path
        folder = os.path.dirname(path)  # noqa: PTH120
        before = os.path.dirname(self._offer.database)  # noqa: PTH120
        while before != folder:
            await asyncio.sleep(LOOK_INTERVAL)
            if os.path.realpath(folder) != before:  # noqa: ASYNC240 - as every write looks
                self.dismiss(f"{path} leads to another file now; start it anew")
                return
