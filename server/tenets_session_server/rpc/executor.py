"""Executes what one client has sent: in order, cancellable, with exactly one reply to a request.

A handler is a plain function and runs to its end, so nothing can come between a request and its
reply. What has to wait (for another process' lock, say) becomes a task. The client's further
requests wait behind it, other clients' do not.
"""

from __future__ import annotations

import asyncio
import functools
import logging
import time
from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec
from lsprotocol import types

from tenets_session_server import logs
from tenets_session_server.methods.table import BY_NAME
from tenets_session_server.rpc import error_codes
from tenets_session_server.rpc.calls import Calls
from tenets_session_server.rpc.client import INFO, explain
from tenets_session_server.rpc.error_codes import ErrorObject, RpcError
from tenets_session_server.rpc.group_commit import Call, GroupCommit
from tenets_session_server.rpc.lifecycle import Lifecycle, State
from tenets_session_server.rpc.outcome import Outcome, Pending
from tenets_session_server.rpc.pygls_server import SessionServer
from tenets_session_server.rpc.request_queue import RequestQueue
from tenets_session_server.storage.outcome import Completed, Failed
from tenets_session_server.wire.messages import (
    Invalid,
    Message,
    MessageId,
    Notification,
    Request,
    Response,
)
from tenets_session_server.wire.transport import Writer

logger = logging.getLogger(__name__)

TURN: Final = 0.005
"""Seconds for which one client's waiting requests are executed before others get their turn."""

IGNORED_PARAMS: Final = frozenset({types.INITIALIZED, types.SHUTDOWN, types.EXIT})
"""Methods whose params are not used, so that nothing in them can be wrong."""

# Looking a member up in its class takes as long as a call.
_RUNNING: Final = State.RUNNING
_EXITED: Final = State.EXITED


class RequestExecutor:
    """The execution of one client's messages; ``on_turn_end`` is called after each turn.

    The connection feeds :meth:`receive` and looks at :attr:`overloaded` and :attr:`idle`. It calls
    :meth:`run` when a congested client has read on.
    """

    def __init__(
        self,
        server: SessionServer,
        writer: Writer,
        lifecycle: Lifecycle,
        on_turn_end: Callable[[], None],
    ) -> None:
        self._client, self._lifecycle, self._pygls = server.client, lifecycle, server.protocol
        self._writer, self._on_turn_end = writer, on_turn_end
        self._queue = RequestQueue()
        self._cache = server.publisher.result_cache
        self._calls = Calls(
            server.context,
            server.protocol.fm.features,
            lifecycle.commands,
            self._cache,
            functools.partial(server.client.show, INFO),
        )
        self._group_commit = GroupCommit(server.store, self._queue, self._calls.execute)
        self._running: tuple[MessageId | None, asyncio.Future[Any]] | None = None
        self._scheduled = self._in_turn = False

    @property
    def overloaded(self) -> bool:
        """Whether so much waits to be executed that no more should be read."""
        return self._queue.overloaded

    @property
    def idle(self) -> bool:
        """Whether everything that arrived has been executed."""
        return not self._queue.waiting and self._running is None

    def receive(self, messages: Sequence[Message]) -> None:
        """Take what has arrived, then execute as much as can be executed now."""
        if len(messages) == 1 and isinstance(request := messages[0], Request) and self._at_rest():
            # Most of the traffic: a client that waits for each reply.
            self._begin_turn()
            try:
                self._execute_request(request)
            finally:
                self._end_turn()
            return
        for message in messages:
            if isinstance(message, Response):
                self._pygls.receive_response(message)
            elif isinstance(message, Notification) and message.method == types.CANCEL_REQUEST:
                self._cancel(message)
            else:
                self._queue.append(message)
        self.run()

    def run(self) -> None:
        """Execute what waits, in order, until all is done or the turn is over."""
        if self._scheduled or self._in_turn:
            return
        self._begin_turn()
        try:
            self._execute_waiting(time.monotonic() + TURN)
        except Exception:  # a bug of ours; what waits behind it is still executed
            logger.exception("internal error")
            self._run_soon()
        finally:
            self._end_turn()

    def abandon(self) -> None:
        """Drop what waits and cancel what runs: the client is gone."""
        self._queue.clear()
        if self._running is not None:
            self._running[1].cancel()

    # -- turns -------------------------------------------------------------------------------

    def _at_rest(self) -> bool:
        """Tell whether a message would be executed at once, and no other with it."""
        busy = self._running or self._scheduled or self._in_turn or self._queue.waiting
        return not (busy or self._writer.congested or self._lifecycle.state is _EXITED)

    def _may_execute(self) -> bool:
        # The connection calls again when a congested client has read on.
        waiting = (
            self._queue.waiting and self._running is None and self._lifecycle.state is not _EXITED
        )
        return bool(waiting) and not self._writer.congested

    def _begin_turn(self) -> None:
        self._in_turn = True
        self._cache.revalidate()

    def _execute_waiting(self, until: float) -> None:
        while not self._scheduled:
            while self._may_execute():
                if time.monotonic() > until:
                    self._run_soon()
                    break
                executed = (
                    self._group_commit.run(until) if self._lifecycle.state is _RUNNING else None
                )
                if executed:
                    for call, outcome in executed:
                        if logs.debugging:
                            logger.debug("in a group: %s", call.method)
                        self._finish(call, outcome)
                else:
                    self._execute(self._queue.take())
            self._writer.flush()
            if not self._may_execute():  # flushing may have made room
                break

    def _end_turn(self) -> None:
        self._writer.flush()
        self._in_turn = False
        self._on_turn_end()

    def _run_soon(self) -> None:
        self._scheduled = True
        asyncio.get_running_loop().call_soon(self._run_again)

    def _run_again(self) -> None:
        self._scheduled = False
        self.run()

    # -- execution ---------------------------------------------------------------------------

    def _execute(self, message: Message) -> None:
        if isinstance(message, Request):
            self._execute_request(message)
        elif isinstance(message, Notification):
            self._execute_notification(message)
        elif isinstance(message, Invalid):
            error = error_codes.from_invalid(message)
            logger.warning("refused a message with %d", error.code)
            self._client.reply_error(message.id, error)
            if self._client.on_invalid is not None:
                self._client.on_invalid()

    def _execute_request(self, request: Request) -> None:
        if logs.debugging:
            logger.debug("request %r: %s", request.id, request.method)
        if self._lifecycle.state is not _RUNNING:
            try:
                self._lifecycle.check_request(request.method)
            except RpcError as error:
                self._client.reply_error(request.id, error.error)
                return
        self._finish(request, self._call(request.method, request.params, request.id))

    def _execute_notification(self, notification: Notification) -> None:
        logger.debug("notification: %s", notification.method)
        if self._lifecycle.allows_notification(notification.method):
            self._finish(notification, self._call(notification.method, notification.params, None))
        else:
            logger.warning("ignored the notification %s at this point", notification.method)

    def _call(self, name: str, params: msgspec.Raw, message_id: MessageId | None) -> Outcome:
        if (method := BY_NAME.get(name)) is not None:
            return self._calls.method(method, params)
        if name == types.WORKSPACE_EXECUTE_COMMAND:
            return self._calls.command(params)
        if name in IGNORED_PARAMS:
            params = msgspec.Raw(b"")
        if (handler := self._lifecycle.handlers.get(name)) is not None:
            try:
                return handler(params, message_id or "")
            except Exception as error:  # noqa: BLE001 - every request gets its reply
                return Failed(error)
        return self._pygls.call(name, params, message_id)

    def _finish(self, call: Call, outcome: Outcome) -> None:
        """Reply to a call, now or once its result is known."""
        if isinstance(outcome, Completed):
            if isinstance(call, Request):
                self._client.reply(call.id, outcome.result)
        elif isinstance(outcome, Failed):
            self._fail(call, outcome.error)
        else:
            self._wait(call, outcome)

    def _fail(self, call: Call, error: BaseException) -> None:
        if isinstance(call, Request):
            self._client.reply_failure(call.id, call.method, error)
            return
        code = explain(call.method, error).code  # nobody waits for it: the log has it
        if code == error_codes.METHOD_NOT_FOUND:
            logger.debug("ignored the unknown notification %s", call.method)
        else:
            logger.warning("the notification %s failed with %d", call.method, code)

    def _wait(self, call: Call, pending: Pending) -> None:
        task = asyncio.ensure_future(self._reply_later(call, pending))
        self._running = (call.id if isinstance(call, Request) else None, task)
        # A callback, as it is called even for a task that is cancelled before it has started.
        task.add_done_callback(functools.partial(self._end_wait, call, pending))

    async def _reply_later(self, call: Call, pending: Pending) -> None:
        # In one step with the commit: no other client is sent it before its author has the reply.
        self._finish(call, Completed(await pending.coroutine))
        self._writer.flush()

    def _end_wait(self, call: Call, pending: Pending, task: asyncio.Future[None]) -> None:
        self._running = None
        pending.coroutine.close()  # where it has never started
        if task.cancelled():
            if isinstance(call, Request):
                self._client.reply_error(call.id, _CANCELLED)
        elif (error := task.exception()) is not None:
            self._fail(call, error)
        self.run()

    def _cancel(self, message: Notification) -> None:
        try:
            message_id = _decode_cancel_params(message.params).id
        except msgspec.MsgspecError:
            logger.warning("ignored a $/cancelRequest without an id")
            return
        if self._running is not None and self._running[0] == message_id is not None:
            # Not before its first step, which knows that something has been done already.
            asyncio.get_running_loop().call_soon(self._running[1].cancel)
        elif self._queue.withdraw(message_id):
            self._client.reply_error(message_id, _CANCELLED)


class _CancelParams(msgspec.Struct):
    id: MessageId


_decode_cancel_params: Final = msgspec.json.Decoder(_CancelParams, strict=True).decode
_CANCELLED: Final = ErrorObject(error_codes.REQUEST_CANCELLED, "cancelled by the client")
