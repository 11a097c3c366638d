"""Params: their types, and from JSON text to one of them.

The types validate what arrives, and generate the tables of PROTOCOL.md. Members are camelCase on
the wire. The ``description`` of a type says what is expected. A client gets it when a member is
wrong.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Final, Generic, Literal, TypeVar, get_args, get_type_hints

import msgspec
from msgspec import Meta, Raw, Struct

from tenets_session_server.errors import InvalidParamsError

_PRINTABLE = r"\A(?=.*\S)[^\x00-\x1f\x7f-\x9f]+\Z"

Name = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=255,
        pattern=_PRINTABLE,
        description="1 to 255 characters, no control characters, not blank",
    ),
]
Kind = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=64,
        pattern=_PRINTABLE,
        description="1 to 64 characters, no control characters, not blank",
    ),
]
Content = Annotated[str, Meta(description="a string")]
# Raw: the object's text goes to the database as it came, so that nothing in it can change.
JsonObject = Annotated[Raw, Meta(description="an object")]
# Examples are what the tests of query plans give, in all combinations.
Limit = Annotated[int, Meta(ge=1, le=1000, description="an integer from 1 to 1000", examples=[5])]
Cursor = Annotated[str, Meta(description="a nextCursor of the same list")]
Flag = Annotated[bool, Meta(description="true or false")]
Prefix = Annotated[
    str,
    Meta(
        max_length=255,
        description="a string of at most 255 characters",
        examples=["fix", "fix login 7", "no such"],
    ),
]
Order = Annotated[Literal["newest", "oldest"], Meta(description='"newest" or "oldest"')]


class Params(Struct, rename="camel", frozen=True):
    """Base of all params: unknown members are ignored, null means the default."""


class NoParams(Params, frozen=True):
    """Params of a method that needs none."""


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

        Raises :class:`InvalidParamsError`, which names the member and says what was expected.
        """
        data = text if isinstance(text, bytes) else bytes(text)
        if not data or data == b"null":
            data = b"{}"
        try:
            decoded = self._decode(data)
        except msgspec.ValidationError:
            return self._without_nulls(data)
        except msgspec.DecodeError as error:
            raise InvalidParamsError(f"params: {error}") from None
        for name, attribute in self._objects:
            # A Raw member takes any JSON: what it is is seen from its first character.
            text = bytes(getattr(decoded, attribute))
            if text == b"null":
                return self._without_nulls(data)
            if not text.startswith(b"{"):
                raise InvalidParamsError(f"{name}: expected {self._expected[name]}")
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
            raise InvalidParamsError(self._explain(str(error))) from None

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
