"""Hand-offs: notes with which somebody else, or an agent, goes on with the work."""

from __future__ import annotations

import re

from tenets_session_server.agents import digest
from tenets_session_server.client import text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

    from tenets_session_server.agents.digest import Call, Json

DONE: Final = "Done"
NEXT: Final = "Next"
HEADINGS: Final = ("Goal", DONE, NEXT, "Decisions", "Blockers")
PAGE: Final = 1000
"""Notes that are asked for at once."""
LISTED: Final = 100
"""Notes since the last hand-off that are listed, at most; of others it is said how many."""
LONGEST: Final = 200
"""Bytes of a note's first line."""
_HEADING: Final = re.compile(r"## (.+?)[ \t]*")
_FENCE: Final = re.compile(r" {0,3}(```|~~~)")
_PLACES: Final = {"decision": "Decisions", "blocker": "Blockers", "question": "Blockers"}
"""Under which heading notes of these kinds are listed; others under "Done"."""


def template(call: Call, session_id: int) -> str:
    """Return a hand-off to complete, as Markdown.

    What the last one says, but of what was done, is in it, and the notes since then.
    """
    last = next(iter(digest.newest(call, session_id, 1, kind=digest.HANDOFF)), None)
    sections = dict.fromkeys(HEADINGS, "")
    if last is not None:
        before = sections_of(_content(call, last["id"]))
        sections |= {name: body for name, body in before.items() if name != DONE}
    notes, more = _since(call, session_id, last)
    if more:
        sections[DONE] = f"- (not listed here: {text.count(more, 'older note')})"
    for entry in notes:
        heading = _PLACES.get(entry["kind"].lower(), DONE)
        sections[heading] = f"{sections[heading]}\n- {_item(call, entry)}".strip()
    return "\n".join(f"## {heading}\n\n{body}\n" for heading, body in sections.items())


def sections_of(content: str) -> dict[str, str]:
    """Return the text below each heading of the second level; ours have our case.

    Text before the first one says what is next.
    """
    known = {heading.casefold(): heading for heading in HEADINGS}
    sections: dict[str, list[str]] = {NEXT: []}
    name, fence = NEXT, ""
    for line in content.replace("\r\n", "\n").split("\n"):
        if found := _FENCE.match(line):
            fence = "" if fence == found[1] else fence or found[1]
        heading = None if fence else _HEADING.fullmatch(line)
        if heading is None:
            sections[name].append(line)
            continue
        name = known.get(heading[1].casefold(), heading[1])
        lines = sections.setdefault(name, [])
        if lines and lines[-1]:  # two paragraphs stay two
            lines.append("")
    return {name: "\n".join(lines).strip() for name, lines in sections.items()}


def _content(call: Call, note: int) -> str:
    """Return the content of a note, whatever its size."""
    pieces: list[str] = []
    offset: int | None = 0
    while offset is not None:
        piece = call("getContext", id=note, offset=offset)
        if piece is None:  # removed meanwhile
            break
        pieces.append(piece["content"])
        offset = piece["nextOffset"]
    return "".join(pieces)


def _since(call: Call, session_id: int, last: Json | None) -> tuple[list[Json], int]:
    """Return the notes after the last hand-off, oldest first, and how many older ones there are.

    They are no more than are listed.
    """
    listed: list[Json] = []
    number, cursor = 0, None
    while True:
        page = call(
            "listContext",
            sessionId=session_id,
            order="newest",
            limit=PAGE,
            cursor=cursor,
            includeContent=False,
        )
        found = [one for one in page["entries"] if last is None or one["id"] > last["id"]]
        listed += found[: LISTED - len(listed)]
        number += len(found)
        cursor = page["nextCursor"]
        if cursor is None or len(found) < len(page["entries"]):
            return listed[::-1], number - len(listed)


def _item(call: Call, entry: Json) -> str:
    shown, _ = digest.content(call, entry, LONGEST)
    first = next((line.strip() for line in shown.split("\n") if line.strip()), "")
    place = f" ({text.line(text.place(entry['location']))})" if "location" in entry else ""
    return f"{first}{place}"
