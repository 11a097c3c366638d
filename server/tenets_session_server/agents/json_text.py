"""Edits JSON with comments (JSONC) as text: what is not edited keeps its every byte.

Comments and commas before a closing bracket are read as blanks, as VS Code, Claude Code and others
read their settings. A path is a sequence of names, and of indexes in arrays.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple

Path = Sequence[str | int]

_TOKEN: Final = re.compile(r'"(?:[^"\\]|\\.)*"|//[^\n]*|/\*.*?\*/', re.DOTALL)
_STRING_OR_LAST_COMMA: Final = re.compile(r'"(?:[^"\\]|\\.)*"|,(?=\s*[}\]])', re.DOTALL)
_BLANKS: Final = re.compile(r"\s*")
_INDENT: Final = re.compile(r"\n([ \t]+)\S")
_REST_OF_LINE: Final = re.compile(r"[ \t]*(?://[^\n]*|/\*(?:[^*\n]|\*(?!/))*\*/[ \t]*)?(?=\n)")
_decoder: Final = json.JSONDecoder()


class Entry(NamedTuple):
    """A member of an object, or an item of an array, by its positions in the text.

    ``begin`` is that of the name, or of the item; ``value`` that of the value; ``end`` its end.
    """

    key: str | int
    begin: int
    value: int
    end: int


def load(text: str) -> dict[str, Any]:
    """Return the object of a text, an empty one for a blank text. Raises ValueError."""
    plain = _plain(text)
    found = json.loads(plain) if plain.strip() else {}
    if not isinstance(found, dict):
        raise ValueError("expected an object")  # noqa: TRY004 - the text is wrong
    return found


def set_value(text: str, path: Path, value: Any) -> str:
    """Return the text with a value at a path; objects on the way are made.

    Raises ValueError if something else than an object, or an array, is on the way.
    """
    load(text)
    text = text if _plain(text).strip() else "{}\n"
    position, rest = _start(_plain(text), 0), list(path)
    while rest:
        found = _find(_plain(text), position, rest[0])
        if found is None:
            for key in reversed(rest[1:]):
                value = {key: value}
            return _insert(text, position, rest[0], value)
        position = found.value
        del rest[0]
    before, end = _decoder.raw_decode(_plain(text), position)
    if before == value:
        return text
    return text[:position] + _rendered(value, _indent_of(text, position), text) + text[end:]


def append(text: str, path: Path, value: Any) -> str:
    """Return the text with an item at the end of the array at a path, which is made."""
    found: Any = load(text)
    for key in path:
        found = found.get(key) if isinstance(found, dict) else None
    if found is None:
        return set_value(text, path, [value])
    if not isinstance(found, list):
        raise ValueError(f"{'.'.join(map(str, path))}: expected an array")  # noqa: TRY004
    position = _position(_plain(text), path)
    return _insert(text, position, len(found), value)


def remove(text: str, path: Path) -> str:
    """Return the text without the value at a path, and without objects that are empty then.

    Raises ValueError as :func:`set_value` does.
    """
    load(text)
    path = list(path) if _plain(text).strip() else []
    while path:
        plain = _plain(text)
        try:
            container = _position(plain, path[:-1])
        except KeyError:
            return text
        entries = list(_entries(plain, container))
        places = [place for place, one in enumerate(entries) if one.key == path[-1]]
        if not places:
            return text
        text = _without(text, entries, places[-1])
        _, end = _decoder.raw_decode(_plain(text), container)
        if text[container + 1 : end - 1].strip():  # others, or a comment
            return text
        del path[-1]
    return text


def _plain(text: str) -> str:
    """Return strict JSON with the same positions."""

    def blank(found: re.Match[str]) -> str:
        return found[0] if found[0][0] == '"' else re.sub(r"[^\n]", " ", found[0])

    if text.startswith("\ufeff"):
        text = f" {text[1:]}"
    without_comments = _TOKEN.sub(blank, text)
    return _STRING_OR_LAST_COMMA.sub(blank, without_comments)


def _start(plain: str, position: int) -> int:
    found = _BLANKS.match(plain, position)
    return position if found is None else found.end()


def _entries(plain: str, position: int) -> Iterator[Entry]:
    """Yield the entries of the object or array that begins at a position."""
    is_object = plain[position] == "{"
    if not is_object and plain[position] != "[":
        line = plain.count("\n", 0, position) + 1
        raise ValueError(f"line {line}: expected an object, got {plain[position : position + 9]}")
    at, number = _start(plain, position + 1), 0
    while plain[at] not in "}]":
        begin = at
        key: str | int = number
        if is_object:
            key, at = _decoder.raw_decode(plain, at)
            at = _start(plain, _start(plain, at) + 1)  # after the colon
        _, end = _decoder.raw_decode(plain, at)
        yield Entry(key, begin, at, end)
        at, number = _start(plain, end), number + 1
        if plain[at] == ",":
            at = _start(plain, at + 1)


def _find(plain: str, position: int, key: str | int) -> Entry | None:
    """Return the entry of a key; of members with the same name the last one counts."""
    return next((one for one in reversed([*_entries(plain, position)]) if one.key == key), None)


def _position(plain: str, path: Path) -> int:
    """Return where the value at a path begins; raises KeyError if there is none."""
    position = _start(plain, 0)
    for key in path:
        found = _find(plain, position, key)
        if found is None:
            raise KeyError(key)
        position = found.value
    return position


def _insert(text: str, container: int, key: str | int, value: Any) -> str:
    """Return the text with an entry at the end of a container."""
    plain = _plain(text)
    if isinstance(key, str) and plain[container] == "[":
        raise ValueError(f"expected an object, not an array, for {key}")
    entries = list(_entries(plain, container))
    name = f"{json.dumps(key, ensure_ascii=False)}: " if isinstance(key, str) else ""
    if not entries:
        outer = _indent_of(text, container)
        inner = outer + _unit(text)
        _, end = _decoder.raw_decode(plain, container)
        body = f"\n{inner}{name}{_rendered(value, inner, text)}\n{outer}"
        # A comment in an empty container stays.
        kept = text[container + 1 : end - 1].rstrip()
        return text[: container + 1] + kept + body + text[end - 1 :]
    last = entries[-1]
    if "\n" not in text[container : last.begin]:  # all in one line
        added = f", {name}{json.dumps(value, ensure_ascii=False)}"
        return text[: last.end] + added + text[last.end :]
    inner = _indent_of(text, last.begin)
    added = f"\n{inner}{name}{_rendered(value, inner, text)}"
    after = _start(text, last.end)
    if text[after] == ",":  # as JSONC allows it
        rest = _REST_OF_LINE.match(text, after + 1)
        at = after + 1 if rest is None else rest.end()
        return text[:at] + added + "," + text[at:]
    rest = _REST_OF_LINE.match(text, last.end)
    at = last.end if rest is None else rest.end()
    return text[: last.end] + "," + text[last.end : at] + added + text[at:]


def _without(text: str, entries: list[Entry], index: int) -> str:
    """Return the text without an entry, and without the comma that it needs no more."""
    entry = entries[index]
    begin, end = entry.begin, entry.end
    while begin > 0 and text[begin - 1] in " \t":
        begin -= 1
    if begin > 0 and text[begin - 1] == "\n":
        begin -= 1
    plain = _plain(text)
    # The comma before a closing bracket is in the text only.
    comma = _start(plain if index + 1 < len(entries) else text, end)
    if text[comma] == ",":
        return text[:begin] + text[end:comma] + text[comma + 1 :]
    if index == 0:
        opening, closing = len(plain[:begin].rstrip()), _start(text, end)
        is_empty = not text[opening:begin].strip() and text[closing] in "}]"
        return text[:opening] + text[closing:] if is_empty else text[:begin] + text[end:]
    before = entries[index - 1].end
    comma = plain.index(",", before)
    return text[:comma] + text[comma + 1 : begin] + text[end:]


def _indent_of(text: str, position: int) -> str:
    line = text[text.rfind("\n", 0, position) + 1 : position]
    return line[: len(line) - len(line.lstrip(" \t"))]


def _unit(text: str) -> str:
    found = _INDENT.search(text)
    return "  " if found is None else found[1]


def _rendered(value: Any, indent: str, text: str) -> str:
    lines = json.dumps(value, indent=_unit(text), ensure_ascii=False).split("\n")
    return f"\n{indent}".join(lines)
