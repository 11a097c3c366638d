"""Checks messages against the JSON Schema that is shipped with the server."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from functools import cache
from typing import Any, Final

import fastjsonschema

from docs.schema import FILE
from support.messages import Json
from tenets_session_server.methods.changes import DID_CHANGE
from tenets_session_server.methods.table import BY_COMMAND

_DOCUMENT: Final[Json] = json.loads(FILE.read_text(encoding="utf-8"))
_INVALID_PARAMS: Final = -32602
_NOT_IN_A_SCHEMA: Final = re.compile(
    r"(name|newName|sessionName|cursor|uri|folder|location\.uri|metadata|updates): expected "
    r"|folder is required: this window|params: expected JSON without"
)
"""What a schema cannot say: what is invisible, no URI, or the cursor of another list."""


@cache
def _validator(*path: str) -> Callable[[Any], Any]:
    found: Any = _DOCUMENT
    for name in path:
        found = found[name]
    compiled: Callable[[Any], Any] = fastjsonschema.compile(
        {"$defs": _DOCUMENT["$defs"], **found}, use_default=False
    )
    return compiled


def check_reply(request: Json, reply: Json) -> None:
    """Check a request and its reply: what was accepted, and what was refused, are as they say."""
    method, params = request["method"], _canonical(request.get("params"))
    if method == "workspace/executeCommand" and isinstance(params, dict):
        arguments = params.get("arguments")
        method_of_command = BY_COMMAND.get(params.get("command", ""))
        if method_of_command is None or not _is_one_object(arguments):
            return
        method, params = method_of_command.name, _canonical(arguments)
    if "error" in reply and reply["error"]["code"] == -32803:
        _validator("errors", "-32803", "data")(reply["error"]["data"])
    if method == "initialize":
        _check_initialize(params, reply)
    if method not in _DOCUMENT["requests"]:
        return
    if "result" in reply:
        _validator("requests", method, "params")(params)
        _validator("requests", method, "result")(reply["result"])
    elif reply["error"]["code"] == _INVALID_PARAMS:
        try:
            _validator("requests", method, "params")(params)
        except fastjsonschema.JsonSchemaException:
            return
        assert _NOT_IN_A_SCHEMA.match(reply["error"]["message"]) or _names_nothing(params), reply


def check_notification(message: Json) -> None:
    """Check a notification of the server."""
    if message["method"] == DID_CHANGE:
        _validator("notifications", DID_CHANGE, "params")(message["params"])


def _check_initialize(params: Any, reply: Json) -> None:
    if "result" in reply and isinstance(params, dict):
        options = _canonical(params.get("initializationOptions"))
        _validator("initialize", "initializationOptions")(options)
        experimental = reply["result"]["capabilities"]["experimental"]
        _validator("initialize", "capability")(experimental["tenetsSession"])


def _canonical(params: Any) -> Any:
    """Return params in the form of the schema: libraries of clients send others as well."""
    if isinstance(params, list) and len(params) <= 1:
        params = params[0] if params else None
    if params is None or params == []:
        return {}
    if not isinstance(params, dict):
        return params
    objects = {"metadata", "updates", "initializationOptions"}
    return {
        name: {} if name in objects and value == [] else value for name, value in params.items()
    }


def _is_one_object(arguments: Any) -> bool:
    if not isinstance(arguments, list) or len(arguments) != 1:
        return False
    return isinstance(arguments[0], dict) and "scheme" not in arguments[0]


def _names_nothing(params: Any) -> bool:
    """Tell whether no session is named, though a method needs one."""
    return isinstance(params, dict) and params.get("name") is None
