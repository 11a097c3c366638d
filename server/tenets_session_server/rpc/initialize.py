"""``initialize`` params: what is used of them, whatever the rest may be.

No client is turned away, and nobody waits, over what concerns features that this server does not
have; it is not even decoded. That is all but the client's name, its process and our own options.
"""

from __future__ import annotations

from typing import Annotated, Final

import msgspec
from lsprotocol import types
from msgspec import Meta, Raw, Struct

from tenets_session_server.methods.params import ParamsDecoder
from tenets_session_server.rpc.error_codes import RpcError

LONGEST_NAME: Final = 255
"""Characters that are kept of a client's name and version: others have to read them."""


class _Params(Struct, rename="camel"):
    process_id: Annotated[int | None, Meta(description="an integer or null")] = None
    initialization_options: Annotated[Raw, Meta(description="an object")] = Raw(b"{}")


class _Options(Struct, rename="camel"):
    notifications: Annotated[bool | None, Meta(description="true or false")] = True


class _Client(Struct):
    name: str
    version: str | None = None


class _WithClient(Struct, rename="camel"):
    client_info: _Client | None = None


_decode_params: Final = ParamsDecoder(_Params).decode
_decode_options: Final = ParamsDecoder(_Options).decode
_decode_client: Final = msgspec.json.Decoder(_WithClient).decode


def decode_initialize_params(text: Raw) -> types.InitializeParams:
    """Return what is used of the params, as pygls has them.

    Raises :class:`RpcError` -32602 where a member that is used here is wrong.
    """
    params = _decode_params(text)
    try:
        options = _decode_options(params.initialization_options)
    except RpcError as error:
        raise RpcError(error.error.code, f"initializationOptions.{error}") from None
    return types.InitializeParams(
        capabilities=types.ClientCapabilities(),
        process_id=params.process_id,
        client_info=_client_info(text),
        initialization_options={"notifications": options.notifications is not False},
    )


def _client_info(text: Raw) -> types.ClientInfo | None:
    try:
        client = _decode_client(text).client_info
    except msgspec.DecodeError:  # no object, no name
        return None
    if client is None:
        return None
    version = None if client.version is None else client.version[:LONGEST_NAME]
    return types.ClientInfo(client.name[:LONGEST_NAME], version)
