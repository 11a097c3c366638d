"""Names of sessions: what a new one may be, and under which forms one is looked up.

The rules hold where a name is given. A session that another program has named otherwise is
addressed by the name that it has.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

from tenets_session_server.errors import InvalidArgumentError

LONGEST: Final = 255
EXPECTED: Final = "1 to 255 characters, no control or bidirectional characters, not blank"
LONGEST_KIND: Final = 64
EXPECTED_KIND: Final = (
    f"1 to {LONGEST_KIND} characters, no control or bidirectional characters, not blank"
)
LONGEST_AUTHOR: Final = 64
"""Characters of the label under which a client writes."""
LONGEST_KEY: Final = 128
"""Characters of an identity key."""
REFUSED: Final = r"\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"
"""Control and bidirectional characters, as a set in a regular expression has them."""
PRINTABLE: Final = rf"\A(?=.*\S)[^{REFUSED}]+\Z"
"""A regular expression for what is not blank, and has none of them."""
EXPECTED_AUTHOR: Final = (
    f"1 to {LONGEST_AUTHOR} characters, no control or bidirectional characters, not blank"
)
_REFUSED: Final = re.compile(f"[{REFUSED}]")
_BLANK_LETTERS: Final = frozenset("\u115f\u1160\u2800\u3164\uffa0")
_INVISIBLE: Final = frozenset({"Cc", "Cf", "Mn", "Me", "Zl", "Zp", "Zs"})
"""Categories of characters that show nothing by themselves (Unicode, section 4.5)."""


def checked(name: str, member: str = "name") -> str:
    """Return a name for a new session, in NFC.

    Raises :class:`InvalidArgumentError`, which names the ``member``, if it would look like another
    one or like nothing.
    """
    normalised = unicodedata.normalize("NFC", name)
    if not is_visible(normalised) or len(normalised) > LONGEST or _REFUSED.search(normalised):
        raise InvalidArgumentError(member, EXPECTED)
    return normalised


def check_kind(kind: str, member: str = "kind") -> None:
    """Raise :class:`InvalidArgumentError` if a text cannot be the kind of an entry."""
    if len(kind) > LONGEST_KIND or _REFUSED.search(kind) or not is_visible(kind):
        raise InvalidArgumentError(member, EXPECTED_KIND)


def cleaned(text: str, longest: int) -> str:
    """Return what a name or kind becomes that another program has given against the rules."""
    found = _REFUSED.sub("\ufffd", unicodedata.normalize("NFC", text))[:longest]
    return found if is_visible(found) else "\ufffd"


def is_visible(text: str) -> bool:
    """Tell whether at least one character of a text shows something by itself."""
    return any(
        unicodedata.category(character) not in _INVISIBLE and character not in _BLANK_LETTERS
        for character in text
    )


def forms(name: str) -> tuple[str, ...]:
    """Return the names to look for: the name as it is given, then in NFC."""
    if name.isascii():
        return (name,)
    normalised = unicodedata.normalize("NFC", name)
    return (name,) if normalised == name else (name, normalised)
