"""Sessions and entries as Markdown (CommonMark), for pasting into a chat or a pull request.

Nothing that an entry contains gets out of its place: a note is a block quote, and everything else a
fenced block whose fence is longer than any in the content.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import PurePosixPath
from typing import Any, Final
from urllib.parse import quote

import msgspec
from msgspec import UNSET

from tenets_session_server.errors import InvalidArgumentError
from tenets_session_server.models.context import Location
from tenets_session_server.models.sessions import Session
from tenets_session_server.models.transfer import ExportedEntry
from tenets_session_server.storage import uris

MARKDOWN: Final = frozenset({"note", "handoff"})
"""The kinds whose entries are Markdown themselves."""
_HIDDEN: Final = frozenset({"active", "updated_at", "resumed_at", "ended_at", "pinned_files"})
_SPECIAL: Final = re.compile(r"([\\`*_{}\[\]<>()#+!|~&-])")
_BACKTICKS: Final = re.compile("`+")
_LANGUAGE: Final = re.compile(r"[A-Za-z0-9_+-]{1,20}")
_FENCE: Final = re.compile(r" {0,3}(`{3,}|~{3,})")
# A code span or an address, which stays, or what may begin HTML.
_HTML: Final = re.compile(r"((`+)(?!`).*?(?<!`)\2(?!`)|<https?://[^\s<>]*>)|<(?=[A-Za-z/!?])")
_LINES: Final = re.compile(r"\r\n|\r|\n")
_decode_members: Final = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_decode_location: Final = msgspec.json.Decoder(Location).decode


def of_session(session: Session, shown: Callable[[str], str] = str) -> str:
    """Return the heading of a session, with what its metadata says.

    ``shown`` returns what a text is to look like, here and in :func:`of_entry`.
    """
    lines = [f"# {_escaped(shown(session.name)) or '(no name)'}", ""]
    members = {} if session.metadata is UNSET else _decode_members(session.metadata)
    facts = [f"Created {_time(session.created_at)}"]
    facts += [
        f"{_escaped(name)}: {_value(value, shown)}"
        for name, value in members.items()
        if name not in _HIDDEN
    ]
    lines += [f"- {fact}" for fact in facts]
    lines += [f"- Pinned: {code(path)}" for path in _pinned(members.get("pinned_files"))]
    return "\n".join(lines) + "\n"


def of_entry(entry: ExportedEntry, shown: Callable[[str], str] = str) -> str:
    """Return an entry with its heading."""
    content = shown(entry.content)
    author = entry.author if entry.imported_author is UNSET else entry.imported_author
    parts = [_escaped(shown(entry.kind))]
    parts += [_escaped(shown(author))] if author else []
    parts.append(_time(entry.created_at))
    suffix = ""
    if entry.location is not UNSET:
        location = _decode_location(entry.location)
        parts.append(_link(location, shown))
        suffix = PurePosixPath(location.uri).suffix.removeprefix(".")
    body = _quoted(content) if entry.kind in MARKDOWN else _fenced(content, suffix)
    return f"\n### {' · '.join(parts)}\n\n{body}"


def _quoted(content: str) -> str:
    """Return Markdown as a block quote, with HTML shown as text: it could leave the quote."""
    fence = ""
    lines: list[str] = []
    for line in _LINES.split(content.rstrip()):
        opening = _FENCE.match(line)
        if fence:
            if opening and opening[1].startswith(fence) and not line[opening.end() :].strip():
                fence = ""
        elif opening:
            fence = opening[1]
        else:
            line = _HTML.sub(lambda found: found[0] if found[1] else f"\\{found[0]}", line)  # noqa: PLW2901
        lines.append(f"> {line}" if line.strip() else ">")
    return "".join(f"{line}\n" for line in lines)


def fence_of(content: str) -> str:
    """Return a fence that is longer than any in a content."""
    longest = max(map(len, _BACKTICKS.findall(content)), default=0)
    return "`" * max(3, longest + 1)


def _fenced(content: str, language: str) -> str:
    fence = fence_of(content)
    info = language if _LANGUAGE.fullmatch(language) else ""
    text = content if content.endswith("\n") or not content else f"{content}\n"
    return f"{fence}{info}\n{text}{fence}\n"


def _link(location: Location, shown: Callable[[str], str]) -> str:
    lines = ""
    fragment = ""
    if location.range is not None:
        first, last = location.range.start.line + 1, location.range.end.line + 1
        if last > first and location.range.end.character == 0:
            last -= 1  # the end is exclusive
        lines = f":{first}" if first == last else f":{first}-{last}"
        fragment = f"#L{first}" if first == last else f"#L{first}-L{last}"
    if (masked := shown(location.uri)) != location.uri:
        return code(f"{masked}{lines}")
    try:
        place = uris.parse(location.uri, "uri")
    except InvalidArgumentError:
        return code(f"{location.uri}{lines}")
    label = "/".join(place.segments[-2:]) or location.uri
    target = quote(place.key, safe="/:%@!$&'*+,;=~")
    return f"[{_escaped(label)}{lines}](<{target}{fragment}>)"


def _pinned(value: msgspec.Raw | None) -> list[str]:
    found: Any = [] if value is None else json.loads(bytes(value))  # which takes any number
    return [one for one in found if isinstance(one, str)] if isinstance(found, list) else []


def _value(value: msgspec.Raw, shown: Callable[[str], str]) -> str:
    found = json.loads(bytes(value))  # which takes any number
    if isinstance(found, str):
        return _escaped(shown(found))
    return code(shown(json.dumps(found, ensure_ascii=False)))


def code(text: str) -> str:
    """Return text as inline code, whatever backticks are in it."""
    line = " ".join(text.split())
    longest = max(map(len, _BACKTICKS.findall(line)), default=0)
    ticks = "`" * (longest + 1)
    pad = " " if line.startswith("`") or line.endswith("`") else ""
    return f"{ticks}{pad}{line}{pad}{ticks}"


def _escaped(text: str) -> str:
    return _SPECIAL.sub(r"\\\1", " ".join(text.split()))


def _time(timestamp: str) -> str:
    """Return an RFC 3339 time to the minute, with its offset unless that is zero."""
    offset = timestamp[-6:]
    return f"{timestamp[:10]} {timestamp[11:16]} {'UTC' if offset == '+00:00' else offset}"
