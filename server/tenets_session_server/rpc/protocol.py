"""One client's side of the conversation: what is executed, in which order, and its reply.

:class:`SessionProtocol` is pygls' ``LanguageServerProtocol`` (lifecycle, feature registry, requests
to the client, progress) with its own way in and out: messages come decoded from
:mod:`.envelope`, one at a time and in the order they arrived, and leave encoded by msgspec.

A handler is a plain function and runs to its end, so nothing can come between a request and its
reply. What has to wait (another process' lock) waits in a task; the client's further requests wait
behind it, other clients' do not.
"""

from __future__ import annotations

import asyncio
import enum
import logging
import random
import secrets
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, Final

import msgspec
from lsprotocol import types
from pygls.exceptions import JsonRpcException, JsonRpcMethodNotFound
from pygls.protocol import LanguageServerProtocol, lsp_method

from tenets_session_server.errors import DatabaseBusyError, DatabaseError
from tenets_session_server.rpc import commands, error_codes
from tenets_session_server.rpc.envelope import (
    Invalid,
    Message,
    MessageId,
    Notification,
    Request,
    Response,
)
from tenets_session_server.rpc.error_codes import ErrorObject, RpcError
from tenets_session_server.rpc.initialize import structure_initialize_params
from tenets_session_server.rpc.messages import Capability, ErrorReply, ExecuteCommandParams, Reply
from tenets_session_server.rpc.methods import METHODS, Method
from tenets_session_server.rpc.params import ParamsDecoder

if TYPE_CHECKING:
    from collections.abc import Generator

    from cattrs import Converter

    from tenets_session_server.rpc.server import SessionServer
    from tenets_session_server.rpc.transport import Writer

logger = logging.getLogger(__name__)

PROTOCOL_VERSION: Final = 1
SLICE: Final = 0.005
"""Seconds for which one client's waiting requests are executed before others get their turn."""
BUSY_TIMEOUT: Final = 5.0
"""Seconds for which a write is tried again while another process holds the lock."""
BUSY_PAUSES: Final = (0.002, 0.005, 0.010, 0.020, 0.025)

# Not registered: documents are none of our business, and keeping their text would cost memory.
_DOCUMENT_FEATURES: Final = (
    types.TEXT_DOCUMENT_DID_OPEN,
    types.TEXT_DOCUMENT_DID_CHANGE,
    types.TEXT_DOCUMENT_DID_CLOSE,
    types.NOTEBOOK_DOCUMENT_DID_OPEN,
    types.NOTEBOOK_DOCUMENT_DID_CHANGE,
    types.NOTEBOOK_DOCUMENT_DID_CLOSE,
)
_METHODS: Final = {method.name: method for method in METHODS}
_COMMANDS: Final = {method.command: method for method in METHODS}
_execute_command_params: Final = ParamsDecoder(ExecuteCommandParams)


class State(enum.Enum):
    """Where a connection is in LSP's lifecycle."""

    UNINITIALIZED = enum.auto()
    RUNNING = enum.auto()
    SHUT_DOWN = enum.auto()
    EXITED = enum.auto()


class SessionProtocol(LanguageServerProtocol):
    """The protocol of one connection.

    The connection gives it a ``writer`` (:meth:`set_writer`), feeds :meth:`receive` and looks at
    :attr:`state`, :attr:`backlog` and :attr:`idle`; ``on_progress`` is called after each of our
    turns.
    """

    _server: SessionServer

    def __init__(self, server: SessionServer, converter: Converter) -> None:
        # Before pygls' own, which looks at every attribute, properties included.
        self.state = State.UNINITIALIZED
        self.on_progress: Callable[[], None] = lambda: None
        self.on_initialize: Callable[[types.InitializeParams], None] = lambda _: None
        self._out: Writer | None = None
        self._inbox: deque[Message] = deque()
        self._running: tuple[MessageId | None, asyncio.Task[None]] | None = None
        self._scheduled = False
        self._encode = msgspec.json.Encoder().encode
        super().__init__(server, converter)
        for method in _DOCUMENT_FEATURES:
            self.fm.builtin_features.pop(method, None)

    # -- in ----------------------------------------------------------------------------------

    @property
    def backlog(self) -> int:
        """How many messages have arrived and wait to be executed."""
        return len(self._inbox)

    @property
    def idle(self) -> bool:
        """Whether everything that arrived has been executed."""
        return not self._inbox and self._running is None

    @property
    def exit_status(self) -> int:
        """What the process should end with now: 0 after ``shutdown``, else 1 (LSP 3.17, exit)."""
        return 0 if self._shutdown else 1

    def receive(self, messages: Iterable[Message]) -> None:
        """Take what has arrived, then execute as much as can be executed now."""
        for message in messages:
            if isinstance(message, Response):
                self._receive_response(message)
            elif isinstance(message, Notification) and message.method == types.CANCEL_REQUEST:
                self._cancel(message)
            else:
                self._inbox.append(message)
        self.run()

    def run(self) -> None:
        """Execute what waits, in order, until it is done or somebody else has to come first."""
        if self._scheduled:
            return
        until = time.monotonic() + SLICE
        while self._inbox and self._running is None and self.state is not State.EXITED:
            if self._out is not None and self._out.congested:
                break  # the connection calls again when the client has read on
            if time.monotonic() > until:
                self._scheduled = True
                asyncio.get_running_loop().call_soon(self._run_again)
                break
            self._execute(self._inbox.popleft())
        if self._out is not None:
            self._out.flush()
        self.on_progress()

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
            message_id = msgspec.json.decode(message.params, type=dict[str, Any]).get("id")
        except msgspec.MsgspecError:
            logger.warning("ignored a $/cancelRequest without an id")
            return
        if self._running is not None and self._running[0] == message_id:
            self._running[1].cancel()
            return
        for waiting in self._inbox:
            if isinstance(waiting, Request) and waiting.id == message_id:
                self._inbox.remove(waiting)
                self._reply_error(waiting.id, _CANCELLED)
                return

    def _receive_response(self, message: Response) -> None:
        result_type = self._result_types.pop(message.id, None)
        future = self._request_futures.get(message.id)
        if future is None:
            logger.warning("ignored a response to a request that was never made")
            return
        try:
            if message.error is not None:
                error = self._converter.structure(message.error, types.ResponseError)
                self._handle_response(message.id, None, error)
                return
            result = message.result
            if result_type is not None:
                reply = {"id": message.id, "jsonrpc": "2.0", "result": result}
                result = self._converter.structure(reply, result_type).result
            self._handle_response(message.id, result)
        except Exception as error:  # noqa: BLE001 - whatever the client sent, its awaiter learns of it
            logger.warning("the client's response cannot be understood: %s", error)
            self._request_futures.pop(message.id, None)
            future.set_exception(JsonRpcException("the client's response cannot be understood"))

    # -- execution ---------------------------------------------------------------------------

    def _execute(self, message: Message) -> None:
        if isinstance(message, Request):
            self._execute_request(message)
        elif isinstance(message, Notification):
            self._execute_notification(message)
        elif isinstance(message, Invalid):
            logger.warning("refused a message: %s", message.message)
            self._reply_error(message.id, ErrorObject(message.code, message.message))

    def _execute_request(self, request: Request) -> None:
        logger.debug("request %r: %s", request.id, request.method)
        try:
            self._check_lifecycle(request.method)
            outcome = self._call(request.method, request.params, request.id)
        except Exception as error:  # noqa: BLE001 - every request gets its reply
            self._reply_exception(request, error)
            return
        if isinstance(outcome, Awaitable):
            self._wait(request, outcome)
        else:
            self._reply(request.id, outcome)

    def _execute_notification(self, notification: Notification) -> None:
        method = notification.method
        logger.debug("notification: %s", method)
        if method != types.EXIT and self.state is not State.RUNNING:
            logger.warning("ignored %s: the client is not initialized", method)
            return
        try:
            outcome = self._call(method, notification.params, None)
        except JsonRpcMethodNotFound:
            logger.debug("ignored unknown notification %s", method)
        except Exception as error:  # noqa: BLE001 - there is nobody to tell but the log
            self._log_failure(method, error)
        else:
            if isinstance(outcome, Awaitable):
                self._wait(notification, outcome)

    def _check_lifecycle(self, method: str) -> None:
        if method == types.EXIT:
            return
        if self.state is State.UNINITIALIZED and method != types.INITIALIZE:
            raise RpcError(
                error_codes.SERVER_NOT_INITIALIZED, f"{method}: expected initialize first"
            )
        if self.state is State.RUNNING and method == types.INITIALIZE:
            raise RpcError(error_codes.INVALID_REQUEST, "initialize: already done")
        if self.state is State.SHUT_DOWN:
            raise RpcError(error_codes.INVALID_REQUEST, f"{method}: the server has been shut down")

    def _call(self, name: str, params: msgspec.Raw, message_id: MessageId | None) -> Any:
        """Execute one message; return its result, or an awaitable of it."""
        if (method := _METHODS.get(name)) is not None:
            return self._call_session_method(method, params)
        if name == types.WORKSPACE_EXECUTE_COMMAND:
            return self._call_command(params)
        return self._call_feature(name, params, message_id)

    def _call_session_method(self, method: Method, params: msgspec.Raw | bytes) -> Any:
        arguments = method.decoder.decode(params)
        handler = self.fm.features[method.name]
        try:
            return handler(arguments)
        except DatabaseBusyError:
            return self._call_again(lambda: handler(arguments))

    def _call_command(self, params: msgspec.Raw) -> Any:
        given = _execute_command_params.decode(params)
        method = _COMMANDS.get(given.command)
        if method is None:
            known = ", ".join(_COMMANDS)
            raise RpcError(
                error_codes.INVALID_PARAMS, f"command: expected one of {known}, got {given.command}"
            )
        arguments = given.arguments or []
        if len(arguments) > 1:
            raise RpcError(
                error_codes.INVALID_PARAMS,
                f"arguments: expected at most one object, got {len(arguments)}",
            )
        if arguments:
            return self._call_session_method(method, arguments[0])
        return self._call_picked(method)

    def _call_picked(self, method: Method) -> Any:
        """Execute a command without arguments: somebody picked it from a list, and wants to see."""
        pick = commands.PICKED[method.verb]
        try:
            result, message = pick(self._server)
        except DatabaseBusyError:
            return self._call_again(lambda: self._show(*pick(self._server)))
        return self._show(result, message)

    def _show(self, result: Any, message: str) -> Any:
        self._server.window_show_message(types.ShowMessageParams(types.MessageType.Info, message))
        return result

    async def _call_again(self, call: Callable[[], Any]) -> Any:
        """Repeat a write that met another process' lock, with jitter, for :data:`BUSY_TIMEOUT`."""
        until = time.monotonic() + BUSY_TIMEOUT
        pauses = iter(BUSY_PAUSES)
        pause = 0.0
        while True:
            pause = next(pauses, pause)
            await asyncio.sleep(pause * random.uniform(0.5, 1.5))  # noqa: S311 - no secret
            try:
                return call()
            except DatabaseBusyError:
                if time.monotonic() > until:
                    raise

    def _call_feature(self, name: str, params: msgspec.Raw, message_id: MessageId | None) -> Any:
        """Execute one of pygls' own features, or any other that is registered, its way."""
        handler = self._get_handler(name)
        key = message_id if message_id is not None else secrets.token_hex(8)
        finished: list[Future[Any]] = []
        self._ctx_msg_id.set(key)
        self._execute_handler(
            msg_id=key,
            handler=handler,
            args=(self._structure(name, params, key),),
            callback=finished.append,
        )
        if finished:
            self._request_futures.pop(key, None)
            return self._unstructured(finished[0].result())
        return self._unstructured_later(self._request_futures[key], key)

    async def _unstructured_later(self, future: Future[Any], key: MessageId) -> Any:
        try:
            awaitable = asyncio.wrap_future(future) if isinstance(future, Future) else future
            return self._unstructured(await awaitable)
        finally:
            self._request_futures.pop(key, None)

    def _unstructured(self, result: Any) -> Any:
        return self._converter.unstructure(result)

    def _structure(self, name: str, params: msgspec.Raw, key: MessageId) -> Any:
        value = msgspec.json.decode(params) if params else None
        if name == types.INITIALIZE:
            return structure_initialize_params(value, self._converter)
        message_type = self.get_message_type(name)
        if message_type is None:
            return value
        message = {"jsonrpc": "2.0", "id": key, "method": name, "params": value}
        try:
            return self._converter.structure(message, message_type).params
        except Exception as error:
            raise RpcError(
                error_codes.INVALID_PARAMS, f"params: not those of {name} in LSP 3.17"
            ) from error

    def _wait(self, message: Request | Notification, outcome: Awaitable[Any]) -> None:
        message_id = message.id if isinstance(message, Request) else None
        task = asyncio.get_running_loop().create_task(self._finish(message, outcome))
        self._running = (message_id, task)

    async def _finish(self, message: Request | Notification, outcome: Awaitable[Any]) -> None:
        request = message if isinstance(message, Request) else None
        try:
            result = await outcome
            if request is not None:
                self._reply(request.id, result)
        except asyncio.CancelledError:
            if request is not None:
                self._reply_error(request.id, _CANCELLED)
        except Exception as error:  # noqa: BLE001 - every request gets its reply
            if request is not None:
                self._reply_exception(request, error)
            else:
                self._log_failure(message.method, error)
        self._running = None
        self.run()

    # -- out ---------------------------------------------------------------------------------

    def set_writer(self, writer: Any, include_headers: bool = True) -> None:
        """Set where messages go; the connection's :class:`~.transport.Writer`."""
        super().set_writer(writer, include_headers)
        self._out = writer

    def _reply(self, message_id: MessageId, result: Any) -> None:
        try:
            body = self._encode(Reply(message_id, result))
        except Exception as error:  # noqa: BLE001 - a result that is no JSON is a bug of ours
            self._reply_error(message_id, self._bug(f"the result of request {message_id!r}", error))
            return
        self._send(body)

    def _reply_error(self, message_id: MessageId | None, error: ErrorObject) -> None:
        self._send(self._encode(ErrorReply(message_id, error)))

    def _reply_exception(self, request: Request, error: Exception) -> None:
        told = error_codes.from_exception(error)
        if told is None:
            told = self._bug(request.method, error)
        elif isinstance(error, DatabaseError):
            logger.warning("%s failed: %s", request.method, error)
        self._reply_error(request.id, told)

    def _log_failure(self, what: str, error: Exception) -> None:
        if error_codes.from_exception(error) is None:
            self._bug(what, error)
        else:
            logger.warning("%s failed: %s", what, error)

    def _bug(self, what: str, error: Exception) -> ErrorObject:
        """Log a bug; return the little that a client is told, with the words to find it by."""
        reference = secrets.token_hex(4)
        logger.error("internal error %s in %s", reference, what, exc_info=error)
        message = f"internal error; the server's log has it under {reference}"
        return ErrorObject(error_codes.INTERNAL_ERROR, message)

    def _send_data(self, data: Any) -> None:
        """Send what pygls itself has to say (notifications and requests to the client)."""
        self._send(self._encode(self._converter.unstructure(data)))
        if self._out is not None:
            self._out.flush()

    def _send(self, body: bytes) -> None:
        if self._out is None:
            return
        # One write for both: a message is never split by another one.
        self._out.write(b"Content-Length: %d\r\n\r\n%b" % (len(body), body))

    # -- lifecycle ---------------------------------------------------------------------------

    @lsp_method(types.INITIALIZE)
    def lsp_initialize(
        self, params: types.InitializeParams
    ) -> Generator[Any, Any, types.InitializeResult]:
        """Answer ``initialize``: pygls' capabilities, and ours under ``experimental``."""
        result = yield from super().lsp_initialize(params)
        database = self._server.session_db.db
        revision, problems = 0, []
        try:
            revision = self._server.sessions.revision()
        except DatabaseError as error:  # it may be there later: no reason to refuse the client
            problems = [f"The database cannot be used now: {error}."]
        capability = Capability(
            protocol_version=PROTOCOL_VERSION,
            methods=list(_METHODS),
            revision=revision,
            database=str(database.path),
            warnings=[*database.warnings, *problems],
        )
        result.capabilities.experimental = {"tenetsSession": msgspec.to_builtins(capability)}
        self.state = State.RUNNING
        self.on_initialize(params)
        return result

    @lsp_method(types.SHUTDOWN)
    def lsp_shutdown(self, *args: Any) -> Generator[Any, Any, None]:
        """Answer ``shutdown``; only ``exit`` is accepted afterwards."""
        yield from super().lsp_shutdown(*args)
        self.state = State.SHUT_DOWN

    @lsp_method(types.EXIT)
    def lsp_exit(self, *_args: Any) -> None:  # type: ignore[override]
        """End the connection; unlike pygls' this ends no process, which may serve others."""
        self.state = State.EXITED


_CANCELLED: Final = ErrorObject(error_codes.REQUEST_CANCELLED, "cancelled by the client")
