"""What one client has sent is executed: in which order, for how long, and its reply.

Messages come decoded from :mod:`.envelope`, one at a time, in the order they arrived. A handler is
a plain function and runs to its end, so nothing can come between a request and its reply. What has
to wait (another process' lock) waits in a task; the client's further requests wait behind it, other
clients' do not.
"""

from __future__ import annotations

import asyncio
import enum
import functools
import logging
import time
from collections.abc import Callable, Coroutine, Sequence
from types import CoroutineType
from typing import TYPE_CHECKING, Any, Final, TypeVar

import msgspec
from lsprotocol import types
from pygls.exceptions import JsonRpcMethodNotFound

from tenets_session_server import logs
from tenets_session_server.methods.method import BY_NAME
from tenets_session_server.rpc import error_codes
from tenets_session_server.rpc.calls import SessionCalls
from tenets_session_server.rpc.client import log_failure
from tenets_session_server.rpc.error_codes import ErrorObject, RpcError
from tenets_session_server.rpc.group_commit import Call, Executed, Groups
from tenets_session_server.rpc.pygls_server import PyglsAdapter
from tenets_session_server.rpc.request_queue import Inbox
from tenets_session_server.rpc.slices import Sliced
from tenets_session_server.wire.envelope import (
    Invalid,
    Message,
    MessageId,
    Notification,
    Request,
    Response,
)

if TYPE_CHECKING:
    from cattrs import Converter

    from tenets_session_server.rpc.server import SessionServer

logger = logging.getLogger(__name__)

T = TypeVar("T")
SLICE: Final = 0.005
"""Seconds for which one client's waiting requests are executed before others get their turn."""


class State(enum.Enum):
    """Where a connection is in LSP's lifecycle."""

    UNINITIALIZED = enum.auto()
    RUNNING = enum.auto()
    SHUT_DOWN = enum.auto()
    EXITED = enum.auto()


# Looking a member up in its class takes as long as a call.
_RUNNING: Final = State.RUNNING
_EXITED: Final = State.EXITED


class Execution(PyglsAdapter):
    """The execution of one client's messages.

    The connection gives it a ``writer`` (:meth:`set_writer`), feeds :meth:`receive` and looks at
    :attr:`state`, :attr:`overloaded` and :attr:`idle`; ``on_progress`` is called after each of our
    turns.
    """

    _server: SessionServer

    def __init__(self, server: SessionServer, converter: Converter) -> None:
        # Before pygls' own, which looks at every attribute, properties included.
        self.state = State.UNINITIALIZED
        self.on_progress: Callable[[], None] = lambda: None
        self._inbox = Inbox()
        self._running: tuple[MessageId | None, asyncio.Future[Any]] | None = None
        self._scheduled = self._in_turn = False
        super().__init__(server, converter)
        self._calls = SessionCalls(server, self.fm.features)
        self._groups = Groups(server.session_db.db, self._inbox, self._calls.uncached)
        self._results = server.hub.results

    # -- in ----------------------------------------------------------------------------------

    @property
    def overloaded(self) -> bool:
        """Whether so much waits to be executed that no more should be read."""
        return self._inbox.overloaded

    @property
    def idle(self) -> bool:
        """Whether everything that arrived has been executed."""
        return not self._inbox and self._running is None

    @property
    def exit_status(self) -> int:
        """What the process should end with now: 0 after ``shutdown``, else 1 (LSP 3.17, exit)."""
        return 0 if self._shutdown else 1

    def receive(self, messages: Sequence[Message]) -> None:
        """Take what has arrived, then execute as much as can be executed now."""
        if len(messages) == 1 and isinstance(request := messages[0], Request) and self._at_rest:
            # Nearly all that ever comes: a client that waits for the reply before it goes on.
            self._take_turn(self._execute_request, request)
            return
        for message in messages:
            if isinstance(message, Request):
                self._inbox.put(message)
            elif isinstance(message, Response):
                self.receive_response(message)
            elif isinstance(message, Notification) and message.method == types.CANCEL_REQUEST:
                self._cancel(message)
            else:
                self._inbox.put(message)
        self.run()

    def run(self) -> None:
        """Execute what waits, in order, until it is done or somebody else has to come first."""
        if not (self._scheduled or self._in_turn):
            self._take_turn(self._execute_waiting, time.monotonic() + SLICE)

    def _take_turn(self, execute: Callable[[T], None], argument: T) -> None:
        self._in_turn = True
        self._results.doubt()  # once for all that has arrived
        try:
            execute(argument)
            self.out.flush()
        finally:
            self._in_turn = False
        self._after_turn()

    def _after_turn(self) -> None:
        self.on_progress()

    @property
    def _at_rest(self) -> bool:
        """Whether a message would be executed at once, and no other with it."""
        busy = self._running or self._scheduled or self._in_turn or self.out.congested
        return not (busy or self._inbox) and self.state is not _EXITED

    def _execute_waiting(self, until: float) -> None:
        while not self._scheduled:
            while self._may_execute():
                if time.monotonic() > until:
                    self._scheduled = True
                    asyncio.get_running_loop().call_soon(self._run_again)
                    break
                if executed := self._begin_group(until):
                    self._answer(executed)
                else:
                    self._execute(self._inbox.take())
            self.out.flush()
            if not self._may_execute():  # it may again, where the client has read on
                break

    def _may_execute(self) -> bool:
        waiting = self._inbox and self._running is None and self.state is not _EXITED
        # While it is congested the connection calls again when the client has read on.
        return bool(waiting) and not self.out.congested

    def _begin_group(self, until: float) -> list[Executed]:
        return self._groups.execute(until) if self.state is _RUNNING else []

    def _answer(self, executed: list[Executed]) -> None:
        """Send the replies to what has been committed, or has failed, together."""
        for one in executed:
            call = one.call
            if logs.debugging:
                logger.debug("in a group: %r: %s", getattr(call, "id", None), call.method)
            if one.error is not None:
                self._fail(call, one.error)
            else:
                self._succeed(call, one.outcome)

    def _succeed(self, call: Call, outcome: Any) -> None:
        if isinstance(outcome, CoroutineType):
            self._wait(call, outcome)
            return
        rest = self._reply(call, outcome)
        if rest is not None:  # what comes next waits for it, but the reply does not
            self._wait(Notification(call.method, call.params), rest)

    def _reply(self, call: Call, outcome: Any) -> Coroutine[Any, Any, None] | None:
        """Send the reply to what has succeeded; return what is left to do."""
        rest = None
        if isinstance(outcome, Sliced):
            outcome, rest = outcome.result, outcome.finish()
        if isinstance(call, Request):
            self.out.result(call.id, outcome)
        return rest

    def _fail(self, call: Call, error: BaseException) -> None:
        if isinstance(call, Request):
            self.out.failure(call.id, call.method, error)
        else:
            log_failure(call.method, error)  # there is nobody to tell but the log

    def abandon(self) -> None:
        """Drop what waits and cancel what runs: the client is gone."""
        self._inbox.clear()
        if self._running is not None:
            self._running[1].cancel()

    def _run_again(self) -> None:
        self._scheduled = False
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
            return
        if self._inbox.withdraw(message_id):
            self.out.error(message_id, _CANCELLED)

    # -- execution ---------------------------------------------------------------------------

    def _execute(self, message: Message) -> None:
        if isinstance(message, Request):
            self._execute_request(message)
        elif isinstance(message, Notification):
            self._execute_notification(message)
        elif isinstance(message, Invalid):
            logger.warning("refused a message with %d", message.code)
            self.out.error(message.id, ErrorObject(message.code, message.message))

    def _execute_request(self, request: Request) -> None:
        if logs.debugging:
            logger.debug("request %r: %s", request.id, request.method)
        try:
            self._check_lifecycle(request.method)
            outcome = self._call(request.method, request.params, request.id)
        except Exception as error:  # noqa: BLE001 - every request gets its reply
            self._fail(request, error)
            return
        self._succeed(request, outcome)

    def _execute_notification(self, notification: Notification) -> None:
        method = notification.method
        logger.debug("notification: %s", method)
        if method == types.INITIALIZE or (method != types.EXIT and self.state is not _RUNNING):
            logger.warning("ignored the notification %s at this point", method)
            return
        try:
            outcome = self._call(method, notification.params, None)
        except JsonRpcMethodNotFound:
            logger.debug("ignored unknown notification %s", method)
        except Exception as error:  # noqa: BLE001 - nobody waits for it
            self._fail(notification, error)
        else:
            self._succeed(notification, outcome)

    def _check_lifecycle(self, method: str) -> None:
        if self.state is _RUNNING:
            if method == types.INITIALIZE:
                raise RpcError(error_codes.INVALID_REQUEST, "initialize: already done")
            return
        if method == types.EXIT:
            return
        if self.state is State.UNINITIALIZED and method != types.INITIALIZE:
            raise RpcError(
                error_codes.SERVER_NOT_INITIALIZED, f"{method}: expected initialize first"
            )
        if self.state is State.SHUT_DOWN:
            raise RpcError(error_codes.INVALID_REQUEST, f"{method}: the server has been shut down")

    def _call(self, name: str, params: msgspec.Raw, message_id: MessageId | None) -> Any:
        """Execute one message; return its result, or a coroutine that does."""
        if (method := BY_NAME.get(name)) is not None:
            return self._calls.method(method, params)
        if name == types.WORKSPACE_EXECUTE_COMMAND:
            return self._calls.command(params)
        return self.call_feature(name, params, message_id)

    def _wait(self, message: Call, outcome: Coroutine[Any, Any, Any]) -> None:
        task = asyncio.ensure_future(self._answer_later(message, outcome))
        self._running = (message.id if isinstance(message, Request) else None, task)
        # A callback, as it is called even for a task that is cancelled before it has started.
        task.add_done_callback(functools.partial(self._finish, message, outcome))

    async def _answer_later(self, message: Call, outcome: Coroutine[Any, Any, Any]) -> None:
        # In one step with the commit: nobody is told of it before its author has the reply.
        rest = self._reply(message, await outcome)
        if rest is not None:
            self.out.flush()
            if self._running is not None:
                self._running = (None, self._running[1])  # the request is done: no more to cancel
            await rest

    def _finish(
        self,
        message: Call,
        outcome: Coroutine[Any, Any, Any],
        task: asyncio.Future[None],
    ) -> None:
        self._running = None
        outcome.close()  # where it has never started
        if task.cancelled():
            if isinstance(message, Request):
                self.out.error(message.id, _CANCELLED)
        elif (error := task.exception()) is not None:
            self._fail(message, error)
        self.run()


class _CancelParams(msgspec.Struct):
    id: MessageId


_decode_cancel_params: Final = msgspec.json.Decoder(_CancelParams, strict=True).decode
_CANCELLED: Final = ErrorObject(error_codes.REQUEST_CANCELLED, "cancelled by the client")
