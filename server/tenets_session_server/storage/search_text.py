"""Prepares text for the search index: the same way when it is indexed and when it is searched.

FTS5's tokenizer ``unicode61`` folds case and Latin diacritics, and splits at everything that is no
letter or digit. What it cannot do is done here, so that the file needs no tokenizer of ours:

* Scripts without blanks (Han, Kana, Hangul) become pairs of characters, and the last character of a
  run by itself. So each character begins a token, and a run is found by any part of it.
* A symbol such as an emoji becomes a word.
* Diacritics of other scripts are folded as well.
* The parts of an identifier (``HTTPServerError``: HTTP, Server, Error) go into a column of their
  own, where they stand as words. Those of ``refresh_token`` are words for the tokenizer already.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from typing import Final

LONGEST_IDENTIFIER: Final = 64
"""Characters; a longer word is no identifier but data, whose parts nobody looks for."""
MOST_TOKENS: Final = 16_384
"""Characters without blanks between words that are indexed of a text: each is a token of its own,
and so many take 40 ms."""
MOST_MARKS: Final = 30
"""Combining marks of one character that count; the stream-safe format of Unicode has no more."""

# Without blanks between words: radicals, Kana, Bopomofo, Jamo, Han, Hangul.
CJK: Final = (
    r"\u2e80-\u2fd5\u3005-\u3007\u3021-\u3029\u3031-\u3035\u3038-\u303b\u3041-\u3096\u309d-\u309f"
    r"\u30a1-\u30fa\u30fc-\u30ff\u3105-\u312f\u3131-\u318e\u31a0-\u31bf\u31f0-\u31ff\u3400-\u4dbf"
    r"\u4e00-\u9fff\ua960-\ua97f\uac00-\ud7ff\u1100-\u11ff\uf900-\ufaff\uff66-\uff9f"
    r"\U00020000-\U0003ffff"
)
"""Characters of these scripts, as a set in a regular expression has them."""
# Not box drawing and Braille, with which programs draw tables and progress bars.
SYMBOLS: Final = (
    r"\u2300-\u23ff\u2600-\u27bf\u2b00-\u2bff\U0001f000-\U0001f3fa\U0001f400-\U0001fbff"
)
"""Characters that are words by themselves, as a set."""
_MODIFIERS: Final = r"\ufe0e\ufe0f\U0001f3fb-\U0001f3ff"
_MARKS: Final = r"\u0300-\u036f"

_SPECIAL: Final = re.compile(f"[{CJK}]+|[{SYMBOLS}][{_MODIFIERS}]*")
_LONG_RUN: Final = re.compile(rf"[^\w\x00-\x7f]{{{MOST_MARKS + 1},}}")
_WORD: Final = re.compile(rf"[^\W_{CJK}]+")
# It begins with a set of characters, which is three times as fast to search for.
_CAMEL: Final = re.compile(r"[A-Z](?:(?<=[a-z0-9][A-Z])|(?<=[A-Z][A-Z])(?=[a-z]))")
_SEGMENT: Final = re.compile(
    rf"(?P<cjk>[{CJK}]+)|(?P<symbol>[{SYMBOLS}])[{_MODIFIERS}]*"
    rf"|(?P<word>[^\W_{CJK}][^\W_{CJK}{_MARKS}]*(?:[{_MARKS}]+[^\W_{CJK}]*)*)"
)
_IS_SYMBOL: Final = re.compile(f"[{SYMBOLS}]").match
_IS_MODIFIER: Final = re.compile(f"[{_MODIFIERS}]").match
_IS_CJK: Final = re.compile(f"[{CJK}]").match


class _Folding(dict[int, str]):
    """Characters without case and diacritics, one for one, as ``str.translate`` takes them."""

    def __missing__(self, code: int) -> str:
        character = chr(code)
        base, *marks = list(unicodedata.normalize("NFD", character))
        if not all("\u0300" <= mark <= "\u036f" for mark in marks):
            base = character  # a syllable of Hangul or a Kana, for instance
        lower = "\u03c3" if base == "\u03c2" else base.lower()  # Greek's final sigma
        found = self[code] = lower if len(lower) == 1 else base
        return found


_FOLDING: Final = _Folding()


def folded(text: str) -> str:
    """Return a text without case and diacritics, each character where it was."""
    return text.lower() if text.isascii() else text.translate(_FOLDING)


def prepared(text: str) -> tuple[str, str]:
    """Return what is indexed of a text: its words, and the parts of the identifiers in it."""
    if "\0" in text:
        text = text.replace("\0", " ")
    if text.isascii():
        # islower() looks at one character after the other.
        return text, _parts(text) if text != text.lower() and _CAMEL.search(text) else ""
    text = _with_few_tokens(_normalised(text))
    return _SPECIAL.sub(_separated, folded(text)), folded(_parts(text))


def _with_few_tokens(text: str) -> str:
    """Return a text up to where :data:`MOST_TOKENS` characters are tokens of their own."""
    left = MOST_TOKENS
    if len(text) > left:
        for match in _SPECIAL.finditer(text):
            length = match.end() - match.start()
            if length > left:
                return text[: match.start() + left]
            left -= length
    return text


def session_token(session_id: object) -> str:
    """Return the word that stands for a session in the index."""
    if not isinstance(session_id, int):  # SQLite lets another program store anything there
        return "odd"
    return f"s{session_id}" if session_id >= 0 else f"n{-session_id}"


def segments(text: str) -> list[str]:
    """Return the words, runs of CJK characters and symbols in a text, in order."""
    if text.isascii() and text.isalnum():
        return [text]  # most words
    normalised = _normalised(text)
    return [found[found.lastgroup or 0] for found in _SEGMENT.finditer(normalised)]


def ends_in_a_word(text: str) -> bool:
    """Tell whether a word, a run or a symbol goes up to the end of a text."""
    normalised = _normalised(text)
    return any(found.end() == len(normalised) for found in _SEGMENT.finditer(normalised))


def phrase(parts: Sequence[str], *, is_beginning: bool) -> str:
    """Return FTS5's expression for segments that follow each other.

    ``is_beginning``: the last one may go on in the text.
    """
    tokens: list[str] = []
    for number, segment in enumerate(parts, start=1):
        last = number == len(parts)
        if segment.isascii():
            tokens.append(segment.lower())
        elif is_cjk(segment[0]):
            pairs = _pairs(segment)
            # Other characters of the run may follow the last segment.
            tokens += pairs[:-1] if last and len(segment) > 1 else pairs
            is_beginning = len(segment) == 1 if last else is_beginning
        else:
            tokens.append(_SPECIAL.sub(_separated, folded(segment)).strip())
    return f'"{" ".join(tokens)}"{" *" if is_beginning else ""}'


def is_cjk(character: str) -> bool:
    """Tell whether a character belongs to a script without blanks between words."""
    return _IS_CJK(character) is not None


def is_symbol(character: str) -> bool:
    """Tell whether a character is a word by itself, such as an emoji."""
    return _IS_SYMBOL(character) is not None


def is_modifier(character: str) -> bool:
    """Tell whether a character only changes how the symbol before it looks."""
    return _IS_MODIFIER(character) is not None


def split_identifier(word: str) -> list[str]:
    """Return the parts of an identifier: of ``HTTPServerError`` HTTP, Server and Error."""
    if word[1:].islower():
        return [word]  # most words
    cuts = [index for index in range(1, len(word)) if is_part_boundary(word, index)]
    return [word[begin:end] for begin, end in zip([0, *cuts], [*cuts, len(word)], strict=True)]


def is_part_boundary(text: str, index: int) -> bool:
    """Tell whether a part of an identifier ends before ``index``, and another begins there."""
    after = text[index]
    if not after.isupper():
        return False
    before = text[index - 1]
    if before.isupper():
        return index + 1 < len(text) and text[index + 1].islower()
    return before.islower() or before.isdigit()


def _normalised(text: str) -> str:
    if text.isascii():
        return text
    # To sort a long run of marks would take quadratic time.
    return unicodedata.normalize("NFC", _LONG_RUN.sub(_with_few_marks, text))


def _with_few_marks(run: re.Match[str]) -> str:
    """Return a run without the marks that follow :data:`MOST_MARKS` others."""
    marks = 0
    kept: list[str] = []
    for character in run[0]:
        marks = marks + 1 if unicodedata.combining(character) else 0
        if marks <= MOST_MARKS:
            kept.append(character)
    return "".join(kept)


def _parts(text: str) -> str:
    found: list[str] = []
    for match in _WORD.finditer(text):
        word = match[0]
        if len(word) <= LONGEST_IDENTIFIER and not (word.islower() or word[1:].islower()):
            parts = split_identifier(word)
            if len(parts) > 1:
                found += parts
    return " ".join(found)


def _separated(match: re.Match[str]) -> str:
    text = match[0]
    tokens = _pairs(text) if is_cjk(text[0]) else [f"xu{ord(text[0]):x}"]
    return f" {' '.join(tokens)} "


def _pairs(run: str) -> list[str]:
    return [run[index : index + 2] for index in range(len(run))]
