"""Entries as the tools of an agent return them: masked, and as much as there is room for."""

from __future__ import annotations

from typing import Final

from tenets_session_server import masking
from tenets_session_server.agents import digest
from tenets_session_server.agents.tools import Json
from tenets_session_server.client import text

MOST: Final = 24_000
"""Bytes of contents that a tool returns at once."""
LARGEST: Final = 4_000
"""Bytes of one content."""
SEARCHED: Final = 256 * 1024
"""Bytes of a found note that are looked at for secrets: more than is indexed."""


def shown(call: digest.Call, entries: list[Json]) -> tuple[list[Json], list[str]]:
    """Return entries as objects and as texts, as much of their contents as there is room for."""
    objects: list[Json] = []
    texts: list[str] = []
    left = MOST
    for entry in entries:
        content, is_cut = digest.content(call, entry, min(LARGEST, max(left, 200)))
        left -= len(content.encode("utf-8", "replace"))
        objects.append({**facts(entry), "content": content, "isCut": is_cut})
        texts.append(digest.with_heading(entry, content, is_cut=is_cut))
    return objects, texts


def facts(entry: Json) -> Json:
    """Return an entry without its content."""
    author = entry.get("importedAuthor") or entry["author"]
    found = {
        "id": entry["id"],
        "kind": inert(entry["kind"]),
        "author": None if author is None else inert(author),
        "createdAt": entry["createdAt"],
        "size": entry["size"],
    }
    if "location" in entry:
        found["place"] = inert(text.place(entry["location"]))
    return found


def inert(given: str | None) -> str:
    """Return a name or a place as one line, masked, in which nothing acts on a terminal."""
    return text.line(masking.masked(given or ""))


def snippet(call: digest.Call, hit: Json) -> str:
    """Return what was found of a note, or its beginning if there is a secret in it."""
    piece = call("getContext", id=hit["entry"]["id"], maxBytes=SEARCHED)
    content = "" if piece is None else piece["content"]
    masked = masking.masked(content)
    return text.block(hit["snippet"] if masked == content else masked[:200])
