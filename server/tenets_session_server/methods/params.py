"""From JSON text to a params type, or to an error that says which member is wrong and what fits."""

from __future__ import annotations

import re
from typing import Any, Final, Generic, TypeVar, get_args, get_type_hints

import msgspec
from msgspec import Meta, Raw, Struct

from tenets_session_server.rpc.error_codes import INVALID_PARAMS, RpcError

S = TypeVar("S", bound=Struct)

_PATH: Final = re.compile(r" - at `\$\.?(.*)`\Z")
_MISSING: Final = re.compile(r"missing required field `(.+?)`")
_GOT: Final = re.compile(r"got `(.+?)`")


class ParamsDecoder(Generic[S]):
    """Decodes the params of one method."""

    def __init__(self, params_type: type[S]) -> None:
        self._decode = msgspec.json.Decoder(params_type).decode
        self._expected = expectations(params_type)
        self._objects = [
            (field.encode_name, field.name)
            for field in msgspec.structs.fields(params_type)
            if _is_raw(field)
        ]

    def decode(self, text: Raw | bytes) -> S:
        """Return the params; no text (no ``params`` member) and ``null`` are ``{}``.

        Raises :class:`RpcError` -32602 that names the member and what was expected.
        """
        data = text if isinstance(text, bytes) else bytes(text)
        if not data or data == b"null":
            data = b"{}"
        try:
            decoded = self._decode(data)
        except msgspec.ValidationError:
            return self._without_nulls(data)
        except msgspec.DecodeError as error:
            raise RpcError(INVALID_PARAMS, f"params: {error}") from None
        for name, attribute in self._objects:
            # A Raw member takes any JSON: what it is is seen from its first character.
            text = bytes(getattr(decoded, attribute))
            if text == b"null":
                return self._without_nulls(data)
            if not text.startswith(b"{"):
                raise RpcError(INVALID_PARAMS, f"{name}: expected {self._expected[name]}")
        return decoded

    def _without_nulls(self, data: bytes) -> S:
        """Decode with null members left out: null is how many clients write "not set"."""
        try:
            members = msgspec.json.decode(data, type=dict[str, Raw])
            given = {key: value for key, value in members.items() if bytes(value) != b"null"}
            if len(given) < len(members):
                return self.decode(msgspec.json.encode(given))
            return self._decode(data)
        except msgspec.ValidationError as error:
            raise RpcError(INVALID_PARAMS, self._explain(str(error))) from None

    def _explain(self, message: str) -> str:
        missing = _MISSING.search(message)
        if missing:
            return f"{missing[1]} is required: expected {self._expected[missing[1]]}"
        path = _PATH.search(message)
        if path is None or not path[1]:
            got = _GOT.search(message)
            return f"params: expected an object{', got ' + got[1] if got else ''}"
        member = re.split(r"[.\[]", path[1])[0]
        got = _GOT.search(message)
        return (
            f"{path[1]}: expected {self._expected.get(member, 'another value')}"
            f"{', got ' + got[1] if got else ''}"
        )


def expectations(struct: type[Struct]) -> dict[str, str]:
    """Return, for each member by its wire name, the ``description`` of its type."""
    hints = get_type_hints(struct, include_extras=True)
    return {
        field.encode_name: _description(hints[field.name]) or "another value"
        for field in msgspec.structs.fields(struct)
    }


def _description(annotation: Any) -> str | None:
    for part in get_args(annotation):
        if isinstance(part, Meta):
            return part.description
        if (found := _description(part)) is not None:
            return found
    return None


def _is_raw(field: msgspec.structs.FieldInfo) -> bool:
    annotation = field.type
    return annotation is Raw or Raw in get_args(annotation)[:1]
