"""One client, from its first byte to its exit status.

:func:`serve` ties a pair of file descriptors to a server and returns when the conversation is over:
``exit``, the end of input, a client that is gone, one that does not read any more, or a stream that
cannot be split into messages. It ends only the connection; the caller decides about the process.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Final

from lsprotocol import types

from tenets_session_server import wire as transport
from tenets_session_server.rpc import error_codes
from tenets_session_server.rpc.executor import State
from tenets_session_server.rpc.liveness import Liveness
from tenets_session_server.rpc.server import SessionServer
from tenets_session_server.wire import envelope
from tenets_session_server.wire.envelope import Invalid
from tenets_session_server.wire.framing import FrameReader, FramingError

logger = logging.getLogger(__name__)

_RUNNING: Final = State.RUNNING  # looking it up in its class takes as long as a call

GRACE: Final = 1.5
"""Seconds to finish requests that arrived whole, and to send replies, once the end is known."""


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
        self._protocol = server.protocol
        self._frames = FrameReader()
        self._ending: str | None = None  # the reason, once no more input is taken
        self._deadline: asyncio.TimerHandle | None = None
        self._failed = False
        self._writer = transport.open_writer(stdout, self._written, self._lost)
        self._protocol.set_writer(self._writer)
        self._protocol.on_progress = self._progress
        self._protocol.on_initialize = self._initialized
        try:
            self._reader = transport.open_reader(stdin, self._arrived)
        except BaseException:
            self._writer.close()
            raise
        self._watch_client = watch_client
        self._liveness = Liveness(self.leave, self._hung_up, parent=parent)

    def close(self) -> None:
        """Let go of everything; what is unsent is dropped."""
        if self._deadline is not None:
            self._deadline.cancel()
        self._protocol.on_progress = lambda: None
        self._protocol.abandon()
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
            missing = self._frames.unfinished()
            if missing is not None:
                logger.error("the input ended inside %s; it was not executed", missing)
                self._failed = True
            self._end("the input has ended")
            self._loop.call_soon(self._progress)
            return
        try:
            frames = self._frames.feed(data)
        except FramingError as error:
            reason, frames = error.args
            # Not the bytes that the client is told of: they may be somebody's text.
            said = reason.partition(", found")[0].partition(", got")[0]
            logger.error("the input cannot be understood any more: %s", said)  # noqa: TRY400
            self._failed = True
            self._end("a framing error")
            self._reader.close()  # though we may have been ending, and draining, already
            final = Invalid(None, error_codes.PARSE_ERROR, f"framing: {reason}")
            self._protocol.receive([*map(envelope.read, frames), final])
            return
        self._protocol.receive([envelope.read(frame) for frame in frames])

    def _progress(self) -> None:
        """After each turn of the protocol: hold the client back, let it go on, or finish."""
        if self._ending is None and self._protocol.state is _RUNNING:
            if self._protocol.overloaded or self._writer.congested:
                self._reader.pause()
            else:
                self._reader.resume()
            return
        if self.finished.done():
            return
        if self._protocol.state is State.EXITED:
            self._end("exit")
        if self._ending is None:
            if self._protocol.overloaded or self._writer.congested:
                self._reader.pause()
            else:
                self._reader.resume()
        elif not self._writer.unsent and (
            self._protocol.state is State.EXITED or (self._reader.closed and self._protocol.idle)
        ):
            self._finish()

    def _written(self) -> None:
        self._protocol.run()

    def _initialized(self, params: types.InitializeParams) -> None:
        if params.process_id is not None and self._watch_client:
            self._liveness.watch_client(params.process_id)

    def _end(self, reason: str, *, drain: bool = False) -> None:
        """Take no more input; finish what arrived and send what is owed, but not for ever.

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
        self._loop.call_soon(self._progress)

    def _hung_up(self) -> str | None:
        if self._writer.hung_up():
            return "stdout has been closed"
        return "the input has ended" if self._reader.hung_up() else None

    def _lost(self, reason: str, *, dropped: bool) -> None:
        logger.warning("the connection is %s: %s", "dropped" if dropped else "lost", reason)
        self._failed = True
        if dropped:
            self._protocol.abandon()
            self._finish()
        else:
            self._loop.call_soon(self.leave, reason)  # not amid the turn that is writing
            self._loop.call_soon(self._progress)

    def _finish(self) -> None:
        if not self.finished.done():
            self.finished.set_result(1 if self._failed else self._protocol.exit_status)
