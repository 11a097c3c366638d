"""pygls' ``LanguageServerProtocol`` with another way in and out.

pygls keeps the lifecycle, the registry of features and the requests to the client; messages come
decoded from :mod:`.envelope` instead of its own reader and leave through :mod:`.outgoing`. All that
reaches into pygls' internals is here.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, Final

import msgspec
from lsprotocol import types
from pygls.exceptions import JsonRpcException
from pygls.protocol import LanguageServerProtocol

from tenets_session_server.rpc import error_codes
from tenets_session_server.rpc.client import Outgoing
from tenets_session_server.rpc.error_codes import RpcError
from tenets_session_server.rpc.initialize import decode_initialize_params
from tenets_session_server.wire.envelope import MessageId, Response

if TYPE_CHECKING:
    from cattrs import Converter
    from pygls.lsp.server import LanguageServer

logger = logging.getLogger(__name__)

# Not registered: documents and folders are none of our business, and keeping them costs memory.
_OF_NO_USE: Final = (
    types.TEXT_DOCUMENT_DID_OPEN,
    types.TEXT_DOCUMENT_DID_CHANGE,
    types.TEXT_DOCUMENT_DID_CLOSE,
    types.NOTEBOOK_DOCUMENT_DID_OPEN,
    types.NOTEBOOK_DOCUMENT_DID_CHANGE,
    types.NOTEBOOK_DOCUMENT_DID_CLOSE,
    types.WORKSPACE_DID_CHANGE_WORKSPACE_FOLDERS,
)


class PyglsAdapter(LanguageServerProtocol):
    """What pygls does for one connection; ``out`` is the way to the client."""

    def __init__(self, server: LanguageServer, converter: Converter) -> None:
        self.out = Outgoing()
        super().__init__(server, converter)
        for method in _OF_NO_USE:
            self.fm.builtin_features.pop(method, None)

    def set_writer(self, writer: Any, include_headers: bool = True) -> None:
        """Set where messages go; the connection's :class:`~.transport.Writer`."""
        super().set_writer(writer, include_headers)
        self.out.writer = writer

    def _send_data(self, data: Any) -> None:
        """Send what pygls itself has to say (notifications and requests to the client)."""
        self.out.message(self._converter.unstructure(data))
        self.out.flush()

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
            result = message.result
            if result_type is not None:
                reply = {"id": message.id, "jsonrpc": "2.0", "result": result}
                result = self._converter.structure(reply, result_type).result
            self._handle_response(message.id, result)
        except Exception as error:  # noqa: BLE001 - whatever the client sent, its awaiter learns of it
            logger.warning("the client's response cannot be understood: %s", error)
            self._request_futures.pop(message.id, None)
            future.set_exception(JsonRpcException("the client's response cannot be understood"))

    def call_feature(self, name: str, params: msgspec.Raw, message_id: MessageId | None) -> Any:
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
        if name == types.INITIALIZE:
            return decode_initialize_params(params)
        value = msgspec.json.decode(params) if params else None
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
