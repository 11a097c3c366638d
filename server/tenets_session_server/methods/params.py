"""Params: their types, and from JSON text to one of them.

The types validate what arrives, and generate the tables of PROTOCOL.md. Members are camelCase on
the wire. The ``description`` of a type says what is expected. A client gets it when a member is
wrong.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Final, Generic, TypeVar, get_args, get_type_hints

import msgspec
from msgspec import Meta, Raw, Struct

from tenets_session_server.errors import InvalidParamsError
from tenets_session_server.models import sessions
from tenets_session_server.storage import names, uris

# Any string: another program may have named a session as no client of ours could.
Name = Annotated[str, Meta(description="the name of a session")]
# Checked by storage, which also knows what is invisible.
NewName = Annotated[str, Meta(description=names.EXPECTED)]
Kind = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=names.LONGEST_KIND,
        pattern=names.PRINTABLE,
        description=names.EXPECTED_KIND,
    ),
]
SessionId = Annotated[
    int, Meta(ge=-(2**63), le=2**63 - 1, description="the id of a session", examples=[3])
]
EntryId = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1, description="the id of an entry")]
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
Order = Annotated[sessions.Order, Meta(description='"newest", "oldest" or "recent"')]
Folder = Annotated[
    str, Meta(max_length=uris.LONGEST, description=uris.EXPECTED, examples=["file:///work/app"])
]
IfState = Annotated[str, Meta(description="a state that the server has sent")]


class Params(Struct, rename="camel", frozen=True):
    """Base of all params: unknown members are ignored, null means the default."""


class SessionParams(Params, frozen=True):
    """Params that name a session: by its name, by its id, or by both, which have to fit."""

    name: Name | None = None
    session_id: SessionId | None = None


class NoParams(Params, frozen=True):
    """Params of a method that needs none."""


S = TypeVar("S", bound=Struct)

NOT_JSON: Final = (
    "params: expected JSON without NaN, infinities and unpaired surrogates such as \\ud800"
)
"""Told of params that are no JSON: the rest of the message was, so it is one of these."""
_EMPTY: Final = Raw(b"{}")
_NULL: Final = Raw(b"null")
_PATH: Final = re.compile(r" - at `\$\.?(.*)`\Z")
_MISSING: Final = re.compile(r"missing required field `(.+?)`")
_GOT: Final = re.compile(r"got `(.+?)`")


class ParamsDecoder(Generic[S]):
    """Decodes the params of one method."""

    def __init__(self, params_type: type[S]) -> None:
        self._decode = msgspec.json.Decoder(params_type).decode
        self._expected = expectations(params_type)
        fields = [(name, Raw, _NULL) for name in self._expected]
        self._decode_members = msgspec.json.Decoder(msgspec.defstruct("Members", fields)).decode
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
            return self._decode_other(data)
        except msgspec.DecodeError:
            raise InvalidParamsError(NOT_JSON) from None
        return decoded if self._wrong_object(decoded) is None else self._decode_other(data)

    def _decode_other(self, data: bytes) -> S:
        """Decode the shapes that clients send for the same thing.

        Null members are left out: null is how many write "not set". Where an object is expected,
        ``[]`` is one, since Lua has no other empty table. See also :func:`unwrapped`.
        """
        objects = {name for name, _ in self._objects}
        try:
            members = self._decode_members(unwrapped(data))
            given = {
                name: _EMPTY if name in objects and is_empty_array(value) else value
                for name, value in msgspec.structs.asdict(members).items()
                if bytes(value) != b"null"
            }
            decoded = self._decode(msgspec.json.encode(given))
        except msgspec.ValidationError as error:
            raise InvalidParamsError(self._explain(str(error))) from None
        except msgspec.DecodeError:
            raise InvalidParamsError(NOT_JSON) from None
        if (wrong := self._wrong_object(decoded)) is not None:
            raise InvalidParamsError(f"{wrong}: expected {self._expected[wrong]}")
        return decoded

    def _wrong_object(self, decoded: S) -> str | None:
        """Return the name of a Raw member that is no object: its type takes any JSON.

        An empty one is the default of a member that may be absent.
        """
        for name, attribute in self._objects:
            value = bytes(getattr(decoded, attribute))
            if value and not value.startswith(b"{"):
                return name
        return None

    def _explain(self, message: str) -> str:
        missing, path = _MISSING.search(message), _PATH.search(message)
        if missing and path and path[1]:
            return f"{path[1]}.{missing[1]} is required"
        if missing:
            return f"{missing[1]} is required: expected {self._expected[missing[1]]}"
        if path is None or not path[1]:
            got = _GOT.search(message)
            return f"params: expected an object{', got ' + got[1] if got else ''}"
        member = re.split(r"[.\[]", path[1])[0]
        if member != path[1]:  # an item or a member of it: msgspec knows what is wrong there
            return f"{path[1]}: {message[: path.start()].replace('`', '').replace('E', 'e', 1)}"
        got = _GOT.search(message)
        return (
            f"{path[1]}: expected {self._expected.get(member, 'another value')}"
            f"{', got ' + got[1] if got else ''}"
        )


class Items(Struct, array_like=True, frozen=True):
    """The first two items of an array, empty if there are none; the others are not kept."""

    first: Raw = Raw(b"")
    second: Raw = Raw(b"")


def unwrapped(params: Raw | bytes) -> bytes:
    """Return the object in params: ``[{...}]``, ``[null]`` and ``[]`` are one as well.

    Libraries of clients make an array of whatever they are given (vscode-jsonrpc's
    ``sendRequest(method, null)`` sends ``[null]``). Everything else is returned as it is.
    """
    data = bytes(params)
    if not data.startswith(b"["):
        return data
    items = _decode_items(data)
    if items.second:
        return data
    only = bytes(items.first)
    if only in {b"", b"null"} or is_empty_array(items.first):
        return bytes(_EMPTY)
    return only if only.startswith(b"{") else data


_decode_items: Final = msgspec.json.Decoder(Items).decode


def is_empty_array(value: Raw) -> bool:
    """Tell whether JSON text is ``[]``."""
    return len(value) < 64 and bytes(value).translate(None, b" \t\r\n") == b"[]"


def expectations(struct: type[Struct]) -> dict[str, str]:
    """Return, for each member by its wire name, the ``description`` of its type."""
    hints = get_type_hints(struct, include_extras=True)
    return {
        field.encode_name: _description(hints[field.name]) or "another value"
        for field in msgspec.structs.fields(struct)
    }


def _description(annotation: Any) -> str | None:
    parts = get_args(annotation)
    own = [part.description for part in parts if isinstance(part, Meta)]
    nested = map(_description, parts)
    return next((found for found in (*own, *nested) if found is not None), None)


def _is_raw(field: msgspec.structs.FieldInfo) -> bool:
    annotation = field.type
    return annotation is Raw or Raw in get_args(annotation)[:1]
