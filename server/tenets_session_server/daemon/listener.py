"""The daemon's listening socket: accepts connections, and is made again if somebody removes it."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from collections.abc import Callable
from typing import Final

from tenets_session_server.daemon.address import (
    Address,
    UnsafeError,
    bind,
    check_socket,
    enter_runtime_directory,
)
from tenets_session_server.daemon.launch import Lock

logger = logging.getLogger(__name__)

SOCKET_INTERVAL: Final = 10.0
"""Seconds between checks whether the socket is still there."""
RETRY_INTERVAL: Final = 0.2
"""Seconds until accepting connections is tried again after it was not possible."""


class Listener:
    """The socket of an address, in ``directory`` (a descriptor).

    ``on_connection`` is called with each connection, ``on_failure`` if no more can be accepted.
    """

    def __init__(
        self,
        address: Address,
        listening: socket.socket,
        directory: int,
        on_connection: Callable[[socket.socket], None],
        on_failure: Callable[[], None],
    ) -> None:
        self._address, self._socket, self.directory = address, listening, directory
        self._on_connection, self._on_failure = on_connection, on_failure
        self._loop = asyncio.get_running_loop()
        self._listen()
        self._timer = self._loop.call_later(SOCKET_INTERVAL, self._keep)

    def remove(self) -> None:
        """Remove the socket, so that commands look for another daemon."""
        if self._is_there():
            os.unlink(self._address.socket_name, dir_fd=self.directory)

    async def close(self) -> None:
        """Accept no more connections."""
        self._timer.cancel()
        self._accepting.cancel()
        await asyncio.wait({self._accepting})
        self._socket.close()

    def _listen(self) -> None:
        # Once more: from now on this process is the peer (SO_PEERCRED), not the one that bound it.
        self._socket.listen(socket.SOMAXCONN)
        self._socket.setblocking(False)
        self._inode = self._inode_of_name()
        self._accepting = asyncio.ensure_future(self._accept(self._socket))
        self._accepting.add_done_callback(self._accepted)

    async def _accept(self, listening: socket.socket) -> None:
        failing = False
        while True:
            try:
                connection, _ = await self._loop.sock_accept(listening)
            except OSError as error:  # most likely no descriptors are left
                if not failing:
                    logger.error("cannot accept connections: %s", error)  # noqa: TRY400
                failing = True
                await asyncio.sleep(RETRY_INTERVAL)
            else:
                failing = False
                self._on_connection(connection)

    def _accepted(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled():
            self._on_failure()

    def _inode_of_name(self) -> int | None:
        """Return the inode of the socket that commands find, None if there is none."""
        try:
            name = self._address.socket_name
            return os.stat(name, dir_fd=self.directory, follow_symlinks=False).st_ino
        except FileNotFoundError:
            return None

    def _is_there(self) -> bool:
        """Tell whether the socket that commands find is ours, and not another daemon's."""
        return self._inode is not None and self._inode_of_name() == self._inode

    def _keep(self) -> None:
        self._timer = self._loop.call_later(SOCKET_INTERVAL, self._keep)
        try:
            if self._is_there():
                # Programs that clean up look for what nobody has touched for days.
                for name in (self._address.socket_name, self._address.lock_name):
                    os.utime(name, dir_fd=self.directory, follow_symlinks=False)
            else:
                self._make_again()
        except (OSError, UnsafeError) as error:
            logger.warning("the socket cannot be made again: %s", error)

    def _make_again(self) -> None:
        # Where a command would look for it now: the old directory may be gone as well.
        directory = enter_runtime_directory()
        try:
            with Lock(self._address.lock_name) as lock:
                # If it is locked, a command is just starting another daemon.
                if not lock.acquire() or check_socket(self._address.socket_name):
                    return
                new = bind(self._address.socket_name)
                old, self._socket = self._socket, socket.socket(fileno=new.detach())
                self._accepting.remove_done_callback(self._accepted)
                self._accepting.add_done_callback(lambda _: old.close())
                self._accepting.cancel()
                directory, self.directory = self.directory, directory
                self._listen()
                logger.warning("the socket was removed, and has been made again")
        finally:
            os.chdir("/")
            os.close(directory)
