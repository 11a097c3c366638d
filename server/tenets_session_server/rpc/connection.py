"""One client, from its first byte to its exit status.

:func:`serve` connects a pair of file descriptors to a server. It returns when the conversation is
over: ``exit``, the end of input, a client that is gone, one that does not read any more, or a
stream that cannot be split into messages. It ends only the connection; the caller decides about the
process.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import sys
from collections.abc import Callable
from typing import Final

from tenets_session_server.rpc.executor import RequestExecutor
from tenets_session_server.rpc.lifecycle import Lifecycle, State
from tenets_session_server.rpc.pygls_server import SessionServer
from tenets_session_server.wire.messages import MessageDecoder
from tenets_session_server.wire.transport import open_reader, open_writer

logger = logging.getLogger(__name__)

GRACE: Final = 1.5
"""Seconds to finish requests that arrived whole, and to send replies, once the end is known."""

LIVENESS_INTERVAL: Final = 1.0
"""Seconds between checks; the end of an editor takes effect within two of them."""

# Looking it up in its class takes as long as a call.
_EXITED: Final = State.EXITED


async def serve(
    server: SessionServer, stdin: int, stdout: int, *, parent: int | None = None
) -> int:
    """Serve one client on two file descriptors; return the exit status LSP prescribes.

    0 after ``shutdown``, else 1. With ``parent``, the id that this process' parent had when it was
    started, the connection ends when the parent does. The descriptors are not closed. Never raises
    for what a client does.
    """
    connection = Connection(server, stdin, stdout, parent=parent)
    try:
        return await connection.finished
    finally:
        connection.close()


class Connection:
    """The state of one client's connection; ``finished`` resolves to its exit status.

    ``parent`` as for :func:`serve`; with ``watch_client`` it also ends with the process that the
    client says it is.
    """

    def __init__(
        self,
        server: SessionServer,
        stdin: int,
        stdout: int,
        *,
        parent: int | None = None,
        watch_client: bool = True,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self.finished: asyncio.Future[int] = self._loop.create_future()
        self._client, self._publisher = server.client, server.publisher
        self._messages = MessageDecoder()
        self._lifecycle = Lifecycle(server, server.publisher, self._initialized)
        self._ending: str | None = None  # the reason, once no more input is taken
        self._deadline: asyncio.TimerHandle | None = None
        self._failed = False
        self._writer = open_writer(stdout, self._client_has_read, self._lost)
        self._client.writer = self._writer
        self._executor = RequestExecutor(server, self._writer, self._lifecycle, self._update_flow)
        self._paused = False
        try:
            self._reader = open_reader(stdin, self._arrived)
        except BaseException:
            self._writer.close()
            raise
        self._watch_client = watch_client
        self._liveness = Liveness(self.leave, self._hung_up, parent=parent)

    def close(self) -> None:
        """Let go of everything; what is unsent is dropped."""
        if self._deadline is not None:
            self._deadline.cancel()
        self._abandon()
        self._reader.close()
        self._liveness.close()
        self._writer.close()

    def leave(self, reason: str) -> None:
        """End the connection: the client is gone, or has to go.

        What it sent before is still executed, though nobody may read the replies.
        """
        logger.info("the client leaves: %s", reason)
        self._end(reason, drain=True)

    def _arrived(self, data: bytes) -> None:
        if not data:
            missing = self._messages.unfinished()
            if missing is not None:
                logger.error("the input ended inside %s; it was not executed", missing)
                self._failed = True
            self._end("the input has ended")
            self._loop.call_soon(self._update_flow)
            return
        try:
            messages, problem = self._messages.feed(data), self._messages.error
        except MemoryError:  # a part of the stream is lost
            messages, problem = [], "no memory is left for a message"
        if problem is not None:
            # Not the bytes that the client gets: they may be somebody's text.
            reason = problem.partition(", found")[0].partition(", got")[0]
            logger.error("the input cannot be understood any more: %s", reason)
            self._failed = True
            self._end("a framing error")
            self._reader.close()  # though we may have been ending, and draining, already
        self._executor.receive(messages)

    def _update_flow(self) -> None:
        """After each turn of the executor: hold the client back, let it go on, or finish."""
        exited = self._lifecycle.state is _EXITED
        if self._ending is None and not exited:
            if self._executor.overloaded or self._writer.congested:
                self._paused = True
                self._reader.pause()
            elif self._paused:
                self._paused = False
                self._reader.resume()
            return
        if self.finished.done():
            return
        if exited:
            self._end("exit")
        done = exited or (self._reader.closed and self._executor.idle)
        if done and not self._writer.unsent:
            self._finish()

    def _client_has_read(self) -> None:
        self._publisher.catch_up(self._client)
        self._executor.run()

    def _initialized(self) -> None:
        if self._client.process_id is not None and self._watch_client:
            self._liveness.watch_client(self._client.process_id)

    def _end(self, reason: str, *, drain: bool = False) -> None:
        """Take no more input; finish what arrived and send what is due, until :data:`GRACE` ends.

        With ``drain`` what has been sent before counts as well.
        """
        if self._ending is not None:
            return
        logger.info("ending: %s", reason)
        self._ending = reason
        if drain:
            self._reader.drain()
        else:
            self._reader.close()
        self._deadline = self._loop.call_later(GRACE, self._finish)
        self._loop.call_soon(self._update_flow)

    def _hung_up(self) -> str | None:
        if self._writer.hung_up():
            return "stdout has been closed"
        return "the input has ended" if self._reader.hung_up() else None

    def _lost(self, reason: str, *, dropped: bool) -> None:
        logger.warning("the connection is %s: %s", "dropped" if dropped else "lost", reason)
        self._failed = True
        if dropped:
            self._abandon()
            self._finish()
        else:
            self._loop.call_soon(self.leave, reason)  # not amid the turn that is writing
            self._loop.call_soon(self._update_flow)

    def _abandon(self) -> None:
        self._publisher.detach(self._client)
        self._executor.abandon()

    def _finish(self) -> None:
        if not self.finished.done():
            self.finished.set_result(1 if self._failed else self._lifecycle.exit_status)


class Liveness:
    """Notices that an editor is gone when its pipes do not tell; calls ``on_gone`` once.

    A pipe stays open as long as any process holds it: a helper of the editor, a shell, a debugger.
    So three more things are checked every second: whether the parent process has changed (it ended,
    and this process was inherited by another), whether the process that the client named in
    ``initialize`` has ended (LSP 3.17, ``InitializeParams.processId``), and whether stdout has been
    hung up.
    """

    def __init__(
        self,
        on_gone: Callable[[str], None],
        hung_up: Callable[[], str | None],
        *,
        parent: int | None,
    ) -> None:
        self._on_gone, self._hung_up = on_gone, hung_up
        self._parent = parent if sys.platform != "win32" else None
        self._client: int | None = None
        self._pidfd: int | None = None
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = self._loop.call_later(
            LIVENESS_INTERVAL, self._check
        )

    def watch_client(self, process_id: int) -> None:
        """Watch the process that the client says it is.

        A process that cannot be seen now is not watched: it is in a container or on another
        machine, where its number means something else.
        """
        if self._timer is None or process_id <= 0 or not _is_alive(process_id):
            return
        self._client = process_id
        self._close_pidfd()
        if sys.platform == "linux":
            # Exact and immediate. A number can be reused, and kill(2) takes a process that has
            # ended, but was not waited for, to be alive.
            with contextlib.suppress(OSError):
                self._pidfd = os.pidfd_open(process_id)
                self._loop.add_reader(self._pidfd, self._gone, f"process {process_id} has ended")

    def close(self) -> None:
        """Stop."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._close_pidfd()

    def _close_pidfd(self) -> None:
        if self._pidfd is not None:
            self._loop.remove_reader(self._pidfd)
            os.close(self._pidfd)
            self._pidfd = None

    def _check(self) -> None:
        self._timer = self._loop.call_later(LIVENESS_INTERVAL, self._check)
        if self._parent is not None and os.getppid() != self._parent:
            self._gone(f"the parent process {self._parent} has ended")
        elif self._client is not None and not _is_alive(self._client):
            self._gone(f"process {self._client} has ended")
        elif (closed := self._hung_up()) is not None:
            self._gone(closed)

    def _gone(self, reason: str) -> None:
        if self._timer is not None:
            self.close()
            self._on_gone(reason)


def _is_alive(process_id: int) -> bool:
    if sys.platform == "win32":
        return True  # os.kill would end it there
    try:
        os.kill(process_id, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True
