"""Makes ``schema.json``, the JSON Schema of the protocol's messages, from their types.

It is shipped with the package; ``tenets-session-server schema`` prints it. ``reference.py --write``
renews it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Final, Union, get_args, get_origin, get_type_hints

import msgspec
from msgspec import NODEFAULT, UNSET, Raw, Struct, UnsetType

import tenets_session_server
from tenets_session_server import errors
from tenets_session_server.methods.changes import DID_CHANGE
from tenets_session_server.methods.params import Params
from tenets_session_server.methods.table import METHODS
from tenets_session_server.models.changes import ChangeBatch
from tenets_session_server.models.context import Location
from tenets_session_server.models.transfer import ExportedDocument
from tenets_session_server.rpc import lifecycle

FILE: Final = Path(tenets_session_server.__file__).parent / "schema.json"
DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
Json = dict[str, Any]

_MEMBERS: Final[Mapping[str, Json]] = {
    "name": {"type": ["string", "null"]},
    "sessionId": {"type": "integer"},
    "id": {"type": "integer"},
    "limit": {"type": "integer"},
    "line": {"type": "integer"},
    "path": {"type": "string"},
    "oldest": {"type": "integer"},
    "revision": {"type": "integer"},
    "state": {"type": "string"},
}
"""The members of ``error.data`` beside ``kind`` and ``retryable``."""
_MAY_BE_ABSENT: Final = {"sessionId"}


def text() -> str:
    """Return the schema as the file has it."""
    return json.dumps(document(), indent=1, ensure_ascii=False) + "\n"


def document() -> Json:
    """Return the schema: of params and result of each method, by the method's name, and so on."""
    types: list[Any] = [lifecycle.Options, lifecycle.Capability, ChangeBatch, ExportedDocument]
    for method in METHODS:
        types += [method.params, method.result]
    schemas, components = msgspec.json.schema_components(
        [_plain(one) for one in types], ref_template="#/$defs/{name}"
    )
    options, capability, batch, exported, *others = schemas
    given = {_plain(method.params).__name__ for method in METHODS} | {"Options"}
    for name, component in components.items():
        if name in given:
            _let_null_be_absent(component)
    return {
        "$schema": DIALECT,
        "title": "tenets-session-server",
        "description": "The messages of the protocol, by method. See server/PROTOCOL.md.",
        "initialize": {"initializationOptions": options, "capability": capability},
        "requests": {
            method.name: {"params": params, "result": result}
            for method, params, result in zip(METHODS, others[::2], others[1::2], strict=True)
        },
        "notifications": {DID_CHANGE: {"params": batch}},
        "documents": {"export": exported},
        "errors": {"-32803": {"data": {"anyOf": [_error(kind) for kind in _kinds()]}}},
        "$defs": json.loads(json.dumps(components).replace(r"\\A", "^").replace(r"\\Z", "$")),
    }


def _plain(annotation: Any) -> Any:
    """Return a type with objects in the place of ``Raw``, which msgspec has no schema for."""
    if annotation is Raw:
        return dict[str, Any]
    if isinstance(annotation, type) and issubclass(annotation, Struct):
        return _plain_struct(annotation)
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return Annotated[(_plain(arguments[0]), *arguments[1:])]
    if origin in {Union, UnionType}:
        return Union[tuple(_plain(one) for one in arguments)]  # noqa: UP007 - of a tuple
    if origin is list:
        return list[_plain(arguments[0])]  # type: ignore[misc]
    return annotation


@cache
def _plain_struct(struct: type[Struct]) -> type[Struct]:
    hints = get_type_hints(struct, include_extras=True)
    fields: list[Any] = []
    for field in msgspec.structs.fields(struct):
        annotation = hints[field.name]
        is_location = issubclass(struct, Params) and field.name == "location"
        plain = Location | UnsetType if is_location else _plain(annotation)
        default = field.default
        if isinstance(default, Raw):
            default = msgspec.json.decode(default) if default else UNSET
            plain = plain | UnsetType
        elif default is NODEFAULT and UnsetType in get_args(annotation):
            default = UNSET  # which the server may leave out
        fields.append((field.encode_name, plain, default))
    # Those without a default are required, in whatever order.
    fields.sort(key=lambda field: field[2] is not NODEFAULT)
    made = msgspec.defstruct(struct.__name__, fields)
    made.__doc__ = (struct.__doc__ or "").replace("``", "`")
    return made


def _let_null_be_absent(component: Json) -> None:
    for name, member in component["properties"].items():
        if name not in component.get("required", ()):
            default = member.pop("default", None)
            alternatives = member.get("anyOf") or [member]
            if {"type": "null"} not in alternatives:
                alternatives = [*alternatives, {"type": "null"}]
            component["properties"][name] = {"anyOf": alternatives}
            if default is not None:
                component["properties"][name]["default"] = default


def _kinds() -> list[type[errors.TenetsSessionError]]:
    found: list[type[errors.TenetsSessionError]] = []
    waiting = [errors.TenetsSessionError]
    while waiting:
        for child in waiting.pop().__subclasses__():
            waiting.append(child)
            if not issubclass(child, errors.InvalidArgumentError):
                found.append(child)
    return sorted({error.kind: error for error in found}.values(), key=lambda error: error.kind)


def _error(error: type[errors.TenetsSessionError]) -> Json:
    members = [errors.wire_name(member) for member in error.members]
    return {
        "type": "object",
        "properties": {
            "kind": {"const": error.kind},
            "retryable": {"type": "boolean"},
            **{member: _MEMBERS[member] for member in members},
        },
        "required": ["kind", "retryable", *(one for one in members if one not in _MAY_BE_ABSENT)],
    }
