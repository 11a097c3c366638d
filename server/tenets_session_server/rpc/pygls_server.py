"""pygls' ``LanguageServer`` for one client: the registry of features, the lifecycle's capabilities,
requests to the client.

Messages come decoded from :mod:`..wire` and leave through the client, instead of pygls' own reader
and writer. All that touches pygls or its internals is here.
"""

from __future__ import annotations

import asyncio
import functools
import logging
import os
import secrets
from concurrent.futures import Future
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

import msgspec
from lsprotocol import converters, types
from pygls.exceptions import JsonRpcException, JsonRpcInternalError
from pygls.lsp.server import LanguageServer
from pygls.protocol import LanguageServerProtocol

from tenets_session_server import __version__
from tenets_session_server.errors import InvalidParamsError
from tenets_session_server.methods.method import CallContext
from tenets_session_server.methods.params import NOT_JSON
from tenets_session_server.methods.table import METHODS
from tenets_session_server.rpc.client import WARNING, Client
from tenets_session_server.rpc.error_codes import RpcError
from tenets_session_server.rpc.outcome import Outcome, Pending
from tenets_session_server.rpc.publisher import Publisher
from tenets_session_server.storage.outcome import Completed, Failed
from tenets_session_server.storage.store import Store
from tenets_session_server.wire.messages import MessageId, Response, encode

if TYPE_CHECKING:
    from cattrs import Converter

logger = logging.getLogger(__name__)

SERVER_NAME: Final = "tenets-session-server"

# Not registered: the server has no use for documents, folders, traces and progress.
_UNUSED: Final = (
    types.TEXT_DOCUMENT_DID_OPEN,
    types.TEXT_DOCUMENT_DID_CHANGE,
    types.TEXT_DOCUMENT_DID_CLOSE,
    types.NOTEBOOK_DOCUMENT_DID_OPEN,
    types.NOTEBOOK_DOCUMENT_DID_CHANGE,
    types.NOTEBOOK_DOCUMENT_DID_CLOSE,
    types.WORKSPACE_DID_CHANGE_WORKSPACE_FOLDERS,
    types.SET_TRACE,
    types.WINDOW_WORK_DONE_PROGRESS_CANCEL,
)


class PyglsProtocol(LanguageServerProtocol):
    """What pygls does for one connection."""

    _server: SessionServer

    def __init__(self, server: SessionServer, converter: Converter) -> None:
        super().__init__(server, converter)
        for method in _UNUSED:
            self.fm.builtin_features.pop(method, None)

    def initialize(self, client: Client, message_id: MessageId) -> Outcome:
        """Return pygls' result of ``initialize``, as plain values.

        pygls gets no client capabilities and no folders. Structuring 16 MB of folders takes 25 s
        and 2.5 GB, and nothing here depends on them.
        """
        name = None if client.name is None else types.ClientInfo(client.name, client.version)
        outcome = self._execute(
            types.INITIALIZE,
            types.InitializeParams(
                capabilities=types.ClientCapabilities(),
                process_id=client.process_id,
                client_info=name,
                initialization_options={"notifications": client.wants_changes},
            ),
            message_id,
        )
        if isinstance(outcome, Completed):
            outcome.result["capabilities"].pop("workspace", None)  # ours replaces it
        return outcome

    def call(self, name: str, params: msgspec.Raw, message_id: MessageId | None) -> Outcome:
        """Execute one of pygls' features, or any other that is registered."""
        key = message_id if message_id is not None else secrets.token_hex(8)
        try:
            self._get_handler(name)  # an unknown method comes before wrong params
            return self._execute(name, self._structure(name, params, key), key)
        except Exception as error:  # noqa: BLE001 - every request gets its reply
            return Failed(_translated(error))

    def forget(self, message_id: str) -> None:
        """Wait no more for the reply to a request of ours; a late one is ignored."""
        self._request_futures.pop(message_id, None)
        self._result_types.pop(message_id, None)

    def receive_response(self, message: Response) -> None:
        """Resolve what waits for the client's reply to a request of ours."""
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
            result = msgspec.json.decode(message.result)
            if result_type is not None:
                reply = {"id": message.id, "jsonrpc": "2.0", "result": result}
                result = self._converter.structure(reply, result_type).result
            self._handle_response(message.id, result)
        except Exception as error:  # noqa: BLE001 - the request that waits for it gets the error
            logger.warning("the client's response cannot be understood: %s", error)
            self._request_futures.pop(message.id, None)
            future.set_exception(JsonRpcException("the client's response cannot be understood"))

    def _send_data(self, data: Any) -> None:
        """Send notifications and requests that pygls, or an extension, has for the client."""
        self._server.client.send(encode(self._converter.unstructure(data)))

    def _execute(self, name: str, params: Any, key: MessageId) -> Outcome:
        finished: list[Future[Any]] = []
        self._ctx_msg_id.set(key)
        self._execute_handler(
            msg_id=key,
            handler=self._get_handler(name),
            args=(params,),
            callback=finished.append,
        )
        if not finished:
            return Pending(self._result_later(self._request_futures[key], key))
        self._request_futures.pop(key, None)
        if (error := finished[0].exception()) is not None:
            return Failed(_translated(error))
        return Completed(self._converter.unstructure(finished[0].result()))

    async def _result_later(self, future: Future[Any], key: MessageId) -> Any:
        try:
            awaitable = asyncio.wrap_future(future) if isinstance(future, Future) else future
            return self._converter.unstructure(await awaitable)
        except JsonRpcException as error:
            raise _translated(error) from error
        finally:
            self._request_futures.pop(key, None)

    def _structure(self, name: str, params: msgspec.Raw, key: MessageId) -> Any:
        try:
            value = msgspec.json.decode(params) if params else None
        except msgspec.DecodeError:
            raise InvalidParamsError(NOT_JSON) from None
        message_type = self.get_message_type(name)
        if message_type is None:
            return value
        message = {"jsonrpc": "2.0", "id": key, "method": name, "params": value}
        try:
            return self._converter.structure(message, message_type).params
        except Exception as error:
            raise InvalidParamsError(f"params: not those of {name} in LSP 3.17") from error


class SessionServer(LanguageServer):
    """pygls' server for one client, on a store that other clients' servers may share."""

    protocol: PyglsProtocol

    def __init__(
        self, store: Store, publisher: Publisher, command_pid: int, reason: str | None
    ) -> None:
        self.store, self.publisher = store, publisher
        self.reason = store.reason or reason
        self.client = Client(command_pid)
        super().__init__(
            name=SERVER_NAME,
            version=__version__,
            text_document_sync_kind=types.TextDocumentSyncKind.None_,
            protocol_cls=PyglsProtocol,
            converter_factory=_converter,
        )
        client = self.client
        self.context = CallContext(
            store,
            clients=lambda: publisher.describe_clients(client),
            author=lambda: client.author,
            folders=lambda: client.folders,
            document=lambda uri: client.document(uri),  # noqa: PLW0108 - it is set later
            # After the reply, whose message would stand in its place.
            warn=lambda sentence: client.show_soon(WARNING, sentence),
        )
        for method in METHODS:
            handler = functools.partial(method.handler, self.context)
            self.feature(method.name)(handler)
            self.command(method.command)(handler)

    def report_server_error(self, error: Exception, source: Any) -> None:
        """Log what pygls would otherwise show the user, traceback included."""
        logger.error("%s: %s", getattr(source, "__name__", source), error)


def create_server(
    store: Store,
    publisher: Publisher | None = None,
    *,
    command_pid: int | None = None,
    reason: str | None = None,
) -> SessionServer:
    """Return a server for one client; connect it with :func:`.connection.serve`.

    Clients of one store share one ``publisher``, and get each other's changes from it.
    ``command_pid`` is the process that the client has started, by default this one. ``reason`` says
    why the client uses this database, as :func:`.locations.locate` does.
    """
    pid = os.getpid() if command_pid is None else command_pid
    return SessionServer(store, publisher or Publisher(store), pid, reason)


def _translated(error: BaseException) -> BaseException:
    """Return our error for one that pygls, or an extension in pygls' words, has for the client."""
    if isinstance(error, JsonRpcException) and error.code != JsonRpcInternalError.CODE:
        return RpcError(error.code, error.message)
    return error


@lru_cache(maxsize=1)
def _converter() -> Converter:
    # Making it takes longer than everything else here, and it keeps no state.
    return converters.get_converter()
