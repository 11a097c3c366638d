"""The numbers of JSON-RPC 2.0 (section 5.1) and LSP 3.17 ("ErrorCodes"), and who gets which.

Every class of :mod:`tenets_session_server.errors` is mapped here, and only here.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from tenets_session_server import errors
from tenets_session_server.wire.messages import Invalid

PARSE_ERROR: Final = -32700
INVALID_REQUEST: Final = -32600
METHOD_NOT_FOUND: Final = -32601
INVALID_PARAMS: Final = -32602
INTERNAL_ERROR: Final = -32603
SERVER_NOT_INITIALIZED: Final = -32002
REQUEST_CANCELLED: Final = -32800
REQUEST_FAILED: Final = -32803

_OF_REASON: Final = {"parseError": PARSE_ERROR, "invalidRequest": INVALID_REQUEST}


class ErrorObject(msgspec.Struct, omit_defaults=True):
    """``error`` of a response: ``code``, ``message`` and, for -32803, ``data``."""

    code: int
    message: str
    data: Any = None


class RpcError(Exception):
    """Carries an :class:`ErrorObject` to where the reply is made."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.error = ErrorObject(code, message)


def from_invalid(message: Invalid) -> ErrorObject:
    """Return the error that answers a body that is not a valid message."""
    return ErrorObject(_OF_REASON[message.reason], message.message)


def from_exception(error: BaseException) -> ErrorObject | None:
    """Return the error that answers ``error``; None if that is a bug of ours."""
    match error:
        case RpcError():
            return error.error
        case errors.InvalidArgumentError():
            return ErrorObject(INVALID_PARAMS, str(error))
        case errors.TenetsSessionError():
            data = {"kind": error.kind, "retryable": error.retryable, **error.details()}
            return ErrorObject(REQUEST_FAILED, str(error), data)
        case _:
            return None
