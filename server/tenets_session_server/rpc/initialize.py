"""``initialize`` params, read so that no client is turned away over what we do not use."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from lsprotocol import types

from tenets_session_server.rpc.error_codes import INVALID_PARAMS, RpcError

if TYPE_CHECKING:
    from cattrs import Converter

logger = logging.getLogger(__name__)


def structure_initialize_params(value: Any, converter: Converter) -> types.InitializeParams:
    """Return pygls' type of the params.

    What is missing is filled in. Capabilities that lsprotocol cannot make sense of are left out:
    they concern features this server does not have. Raises :class:`RpcError` -32602 where a member
    that is used here is wrong.
    """
    if value is not None and not isinstance(value, dict):
        raise RpcError(INVALID_PARAMS, "params: expected an object")
    given: dict[str, Any] = {
        "processId": None,
        "rootUri": None,
        "capabilities": {},
        **(value or {}),
    }
    process_id = given["processId"]
    if process_id is not None and (not isinstance(process_id, int) or isinstance(process_id, bool)):
        raise RpcError(INVALID_PARAMS, "processId: expected an integer or null")
    options = given.get("initializationOptions")
    if options is not None and not isinstance(options, dict):
        raise RpcError(INVALID_PARAMS, "initializationOptions: expected an object")
    if not isinstance((options or {}).get("notifications", True), bool | None):
        raise RpcError(
            INVALID_PARAMS, "initializationOptions.notifications: expected true or false"
        )
    try:
        return converter.structure(given, types.InitializeParams)
    except Exception as error:  # noqa: BLE001 - cattrs raises many kinds
        logger.info("some of the client's initialize params are not LSP 3.17: %s", error)
    return types.InitializeParams(
        capabilities=types.ClientCapabilities(),
        process_id=process_id,
        initialization_options=options,
    )
