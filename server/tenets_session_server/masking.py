"""Finds what looks like a secret in a text, and masks it.

Only formats that nothing else has are looked for: private keys, and tokens that begin as their
issuer says. So other text stays as it is. The formats are those of ``detect-secrets`` 1.5 and of
the issuers. A password has no format, and is not found.
"""

from __future__ import annotations

import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Final

_KEY: Final = r"(?:[A-Z0-9]{1,20} ){0,3}PRIVATE KEY(?: BLOCK)?-----"
# What stands between the lines of a key, wherever it was copied from: blanks, quotes, escapes.
_BETWEEN: Final = r"(?:[^\w/+<&\\]|\\[nrt]|<br ?/?>|&#?\w{1,8};|\\(?![nrt])){0,200}+"
# Lines may be numbered, and named as "grep -n" does it.
_NUMBER: Final = r"(?:(?:[\w./-]{1,100}[:-])?\d{1,6}[^\w/+]{1,4})?"
_HEADERS: Final = rf"(?:{_NUMBER}[A-Za-z][A-Za-z-]{{1,30}}: [^\n\\<]{{0,200}}+{_BETWEEN}){{0,8}}"
# Either it begins as a key does, and may be cut off; or it ends as one, and has a long word in it.
_BEGINS: Final = rf"{_BETWEEN}{_HEADERS}{_NUMBER}[A-Za-z0-9+/]{{9}}"
_ENDS: Final = (
    "(?=(?:(?!-----(?:END|BEGIN) )[^A-Za-z0-9+/]|[A-Za-z0-9+/]{1,15}(?![A-Za-z0-9+/]))*+"
    "[A-Za-z0-9+/]{16})"
    "(?:[^-]++|-(?!----(?:END|BEGIN) ))*+-----END "
)
# Or the first line ends with what a key's line is, behind what a log puts before its lines.
_LOGGED: Final = (
    rf"{_BETWEEN}[^\n\\<]{{1,60}}?[^\w/+\n](?=[a-z0-9/+]{{0,60}}[A-Z])[A-Za-z0-9+/]{{40}}"
)
_IN_KEY: Final = rf"(?=(?:{_BEGINS}|{_LOGGED}|{_ENDS}))(?:[^-]++|-(?!----END ))*+"
_JWT: Final = "[A-Za-z0-9_-]{8,}[.]eyJ[A-Za-z0-9_-]{8,}[.][A-Za-z0-9_-]{16,}"
# What it is, how it begins, and how it goes on. A text may be cut off, and with it a token. So less
# is asked for than the full length.
_FORMATS: Final = (
    ("a private key", "-----BEGIN ", f"{_KEY}{_IN_KEY}(?:-----END {_KEY})?"),
    ("an AWS access key", "AKIA", "[A-Z0-9]{16}(?![A-Z0-9])"),
    ("an AWS access key", "ASIA", "[A-Z0-9]{16}(?![A-Z0-9])"),
    ("a GitHub token", "ghp_", "[A-Za-z0-9]{30,}"),
    ("a GitHub token", "gho_", "[A-Za-z0-9]{30,}"),
    ("a GitHub token", "ghu_", "[A-Za-z0-9]{30,}"),
    ("a GitHub token", "ghs_", "[A-Za-z0-9]{30,}"),
    ("a GitHub token", "ghr_", "[A-Za-z0-9]{30,}"),
    ("a GitHub token", "github_pat_", "[A-Za-z0-9_]{20,}"),
    ("a GitLab token", "glpat-", "[A-Za-z0-9_.-]{20,}"),
    ("a Slack token", "xox", "[abeoprs]-[A-Za-z0-9-]{10,}"),
    ("a Stripe key", "sk_live_", "[A-Za-z0-9]{20,}"),
    ("a Stripe key", "rk_live_", "[A-Za-z0-9]{20,}"),
    ("an Anthropic key", "sk-ant-", "[A-Za-z0-9_-]{20,}"),
    ("an OpenAI key", "sk-", "[A-Za-z0-9]{20}T3BlbkFJ[A-Za-z0-9]{10,}"),
    ("an OpenAI key", "sk-proj-", "[A-Za-z0-9_-]{20,}"),
    ("an OpenAI key", "sk-svcacct-", "[A-Za-z0-9_-]{20,}"),
    ("an OpenAI key", "sk-admin-", "[A-Za-z0-9_-]{20,}"),
    ("a Google key", "AIza", "[A-Za-z0-9_-]{30,}"),
    ("an npm token", "npm_", "[A-Za-z0-9]{30,}"),
    ("a PyPI token", "pypi-AgE", "[A-Za-z0-9_-]{50,}"),
    ("a Hugging Face token", "hf_", "[A-Za-z0-9]{30,}"),
    ("a SendGrid key", "SG.", "[A-Za-z0-9_-]{16,}[.][A-Za-z0-9_-]{16,}"),
    ("a JSON Web Token", "eyJ", _JWT),
)
_WORDS: Final = frozenset({"AKIA", "ASIA", "AIza", "eyJ", "SG.", "sk-", "xox"})
"""Beginnings that other words may have in them."""
_ESCAPE: Final = r"(?:\x1b|\\(?:u001[bB]|x1[bB]|033|e))"
_END_OF_ESCAPE: Final = (
    r"(?:\\(?:[abfnrtv]|u[0-9A-Fa-f]{4}|x[0-9A-Fa-f]{2}|[0-7]{3})|%[0-9A-Fa-f]{2}|=3D"
    rf"|{_ESCAPE}(?:\[[0-9;:?]{{0,24}}[A-Za-z]|\([A-Z0-9])|\x9b[0-9;]{{0,24}}m)\Z"
)
"""What ends with a letter and is no part of a word: as in JSON, in a URI, in coloured text."""
_LONGEST_ESCAPE: Final = 32
_CHECKED: Final = 64 * 1024
"""Characters that are looked at for a warning."""


def masked(text: str) -> str:
    """Return a text with each secret replaced by what it is, for example ``[a GitHub token]``."""
    for what, prefix, rest in _FORMATS:
        if prefix in text:
            pieces, end = [], 0
            for begin, after in _places(text, prefix, rest):
                pieces += [text[end:begin], f"[{what}]"]
                end = after
            text = "".join([*pieces, text[end:]])
    return text


def warning(text: str) -> str | None:
    """Return a sentence for who has written a text with a secret, None if none is found.

    Only the beginning of a long text is looked at.
    """
    checked = text[:_CHECKED]
    for what, prefix, rest in _FORMATS:
        if prefix in checked and any(_places(checked, prefix, rest)):
            return f"the note seems to have {what} in it: agents and Markdown exports get it masked"
    return None


def _places(text: str, prefix: str, rest: str) -> Iterator[tuple[int, int]]:
    """Yield where secrets of a format begin and end.

    To look for a prefix takes a hundredth of the time that a pattern with a word's boundary takes.
    """
    pattern, begin = re.compile(rest), text.find(prefix)
    while begin >= 0:
        after = begin + len(prefix)
        in_word = prefix in _WORDS and text[begin - 1 : begin].isalnum()
        if in_word and re.search(_END_OF_ESCAPE, text[max(0, begin - _LONGEST_ESCAPE) : begin]):
            in_word = False
        if not in_word and (found := pattern.match(text, after)):
            after = found.end()
            yield begin, after
        begin = text.find(prefix, after)
