"""One client of the daemon: its command's control connection, its streams, and its exit status."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
from typing import Any, Final

from tenets_session_server import logs
from tenets_session_server.daemon import control
from tenets_session_server.daemon.control import AttachRequest, ControlError, MessageReader
from tenets_session_server.rpc.connection import Connection
from tenets_session_server.rpc.publisher import Publisher
from tenets_session_server.rpc.pygls_server import create_server
from tenets_session_server.storage.store import Store

logger = logging.getLogger(__name__)

MESSAGE_TIMEOUT: Final = 5.0
"""Seconds within which a command has to send, or take, the next message."""
MAX_DESCRIPTORS: Final = 8
"""How many are received with a message: more than expected, so that a surplus is noticed."""
PATH_INTERVAL: Final = 1.0
"""Seconds between checks whether a path with links still leads where it did."""


class ControlConnection:
    """The daemon's end of a control socket, used by one task at a time.

    Receiving and sending raise :class:`.control.ControlError`, and OSError (TimeoutError after
    MESSAGE_TIMEOUT, ConnectionError at the end of the stream). ``pid`` is the peer's process, None
    where the platform does not say it.
    """

    def __init__(self, connection: socket.socket) -> None:
        connection.setblocking(False)
        self._connection = connection
        self._loop = asyncio.get_running_loop()
        self.pid = control.check_peer(connection)

    async def receive(self, descriptors: list[int] | None = None) -> dict[str, str]:
        """Return the next message.

        Descriptors that come with it are appended to a list, and then the caller's to close, even
        if this raises.
        """
        reader = MessageReader()
        async with asyncio.timeout(MESSAGE_TIMEOUT):
            if descriptors is not None:
                await self.wait_readable()
                data, received, *_ = socket.recv_fds(
                    self._connection, reader.missing, MAX_DESCRIPTORS
                )
                descriptors += received
                reader.feed(data)
            while reader.missing:
                reader.feed(await self._loop.sock_recv(self._connection, reader.missing))
        return reader.fields()

    async def send(self, kind: str, **fields: object) -> None:
        """Send a message."""
        async with asyncio.timeout(MESSAGE_TIMEOUT):
            await self._loop.sock_sendall(self._connection, control.pack(kind, **fields))

    async def wait_readable(self) -> None:
        """Wait, without a timeout, for the peer to send something or to close the connection."""
        readable = asyncio.Event()
        self._loop.add_reader(self._connection, readable.set)
        try:
            await readable.wait()
        finally:
            self._loop.remove_reader(self._connection)


class ClientSession:
    """One attached client, from its command's request to its exit status."""

    def __init__(
        self,
        request: AttachRequest,
        command: ControlConnection,
        store: Store,
        publisher: Publisher,
    ) -> None:
        self._request, self._command, self._store = request, command, store
        self._server = create_server(
            store, publisher, command_pid=request.pid, reason=request.reason
        )
        self._connection: Connection | None = None
        self._end_reason: str | None = None  # once the daemon ends the connection

    async def run(self) -> int | None:
        """Take over the client's streams and serve it to its end; return the exit status.

        Returns None if the daemon stopped before it used the streams: the command gets no answer,
        and looks for another daemon. Raises as :class:`ControlConnection` does.
        """
        streams: list[int] = []
        try:
            await self._command.send("ready")
            control.expect("serve", await self._command.receive(streams))
            if self._end_reason is not None:
                return None
            return await self._run_on(streams)
        finally:
            for descriptor in streams:
                os.close(descriptor)

    def end(self, reason: str) -> None:
        """End the connection once what has arrived is executed; the command prints the reason."""
        if self._end_reason is None:
            self._end_reason = reason
            if self._connection is not None:
                self._connection.leave(reason)

    async def send_exit(self, status: int) -> None:
        """Let the command end with this status; does nothing if it has ended already."""
        reason = {} if self._end_reason is None else {"reason": self._end_reason}
        with contextlib.suppress(OSError):
            await self._command.send("exit", status=status, **reason)

    def describe(self) -> dict[str, Any]:
        """Return what ``stats`` says of the client, as JSON values."""
        return self._server.client.describe().plain()

    async def _run_on(self, streams: list[int]) -> int:
        """Complete the hand-over, and serve the client on its stdin, stdout and log."""
        if len(streams) != 3:
            raise ControlError("not all descriptors have arrived: too many are open")
        for descriptor in streams:
            os.set_inheritable(descriptor, False)
        stdin, stdout, log = streams
        handler = logs.add_client_log(str(logs.CLIENT.get()), self._request.log_level, log)
        try:
            # What a process of the client's own would do at its start, and log for it.
            if self._request.synchronous == "full":
                self._store.require_durability()
            self._store.open_for_client(self._request.reason)
            await self._command.send("serving")
            control.expect("go", await self._command.receive())
            status = await self._serve(stdin, stdout)
            # The editor may read its log to the end as soon as the command has ended.
            written = asyncio.wrap_future(handler.written())
            await asyncio.wait({written}, timeout=logs.FLUSH_TIMEOUT)
        finally:
            handler.close()
        return status

    async def _serve(self, stdin: int, stdout: int) -> int:
        # In a PID namespace of its own the client's process ids mean nothing to us.
        same_namespace = self._request.pid == self._command.pid
        connection = Connection(self._server, stdin, stdout, watch_client=same_namespace)
        self._connection = connection
        if self._end_reason is not None:
            connection.leave(self._end_reason)
        watches = [
            asyncio.ensure_future(self._watch_command(connection)),
            asyncio.ensure_future(self._watch_path()),
        ]
        try:
            return await connection.finished
        finally:
            for watch in watches:
                watch.cancel()
            connection.close()
            await asyncio.wait(watches)  # they use the control socket until they have ended

    async def _watch_command(self, connection: Connection) -> None:
        """End the connection when the command ends, or sends what is not expected."""
        await self._command.wait_readable()
        connection.leave("its command has ended")

    async def _watch_path(self) -> None:
        """End the connection when the client's path, links resolved, becomes another one."""
        path = self._request.path
        folder = os.path.dirname(path)  # noqa: PTH120
        opened = os.path.dirname(self._request.database)  # noqa: PTH120
        while opened != folder:
            await asyncio.sleep(PATH_INTERVAL)
            if os.path.realpath(folder) != opened:  # noqa: ASYNC240 - a few microseconds
                self.end(f"{path} now leads to another file; restart the server")
                return
