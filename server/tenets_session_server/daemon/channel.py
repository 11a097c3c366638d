"""The process' end of a control socket; see :mod:`.control` for what is said there."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import Callable, Iterator
from typing import Final

from tenets_session_server.daemon import control
from tenets_session_server.daemon.control import ControlError

PATIENCE: Final = 5.0
"""Seconds within which the other side has to say what comes next."""
DESCRIPTORS: Final = 8
"""How many may come with a message; what is not wanted is closed."""


class Channel:
    """One connection, used by one task. Receiving raises ControlError, and OSError if it breaks."""

    def __init__(self, connection: socket.socket) -> None:
        connection.setblocking(False)
        self._connection = connection
        self._loop = asyncio.get_running_loop()
        self.process_id = control.check_peer(connection)

    async def receive(self) -> dict[str, str]:
        """Return the next message; it has to come soon."""
        async with asyncio.timeout(PATIENCE):
            prefix = await self._exactly(control.PREFIX_SIZE)
            return control.unpack(await self._exactly(control.length(prefix)))

    async def receive_descriptors(self, count: int) -> tuple[dict[str, str], list[int]]:
        """Return the next message and the descriptors that come with it, now the caller's."""
        async with asyncio.timeout(PATIENCE):
            await self._readable()
            prefix, descriptors, flags, _ = socket.recv_fds(
                self._connection, control.PREFIX_SIZE, DESCRIPTORS
            )
            try:
                _check_complete(descriptors, count, flags)
                prefix += await self._exactly(control.PREFIX_SIZE - len(prefix))
                message = control.unpack(await self._exactly(control.length(prefix)))
            except BaseException:
                for descriptor in descriptors:
                    os.close(descriptor)
                raise
        for descriptor in descriptors:
            os.set_inheritable(descriptor, False)
        return message, descriptors

    async def send(self, kind: str, **fields: str | int) -> None:
        """Send a message; it has to be taken soon."""
        async with asyncio.timeout(PATIENCE):
            await self._loop.sock_sendall(self._connection, control.pack(kind, **fields))

    @contextlib.contextmanager
    def watched(self, on_end: Callable[[], None]) -> Iterator[None]:
        """Call ``on_end`` when the other side ends, or says what it should not, meanwhile."""
        self._loop.add_reader(self._connection, self._once(on_end))
        try:
            yield
        finally:
            self._loop.remove_reader(self._connection)

    def _once(self, on_end: Callable[[], None]) -> Callable[[], None]:
        def ended() -> None:
            self._loop.remove_reader(self._connection)
            on_end()

        return ended

    async def _readable(self) -> None:
        readable = asyncio.Event()
        self._loop.add_reader(self._connection, readable.set)
        try:
            await readable.wait()
        finally:
            self._loop.remove_reader(self._connection)

    async def _exactly(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            part = await self._loop.sock_recv(self._connection, size - len(data))
            if not part:
                raise ControlError("the other side has ended")
            data += part
        return data


def _check_complete(descriptors: list[int], count: int, flags: int) -> None:
    if len(descriptors) != count or flags & socket.MSG_CTRUNC:
        raise ControlError("not all descriptors have arrived: too many are open")
