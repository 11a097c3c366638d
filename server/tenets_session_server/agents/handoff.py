"""Hand-offs: notes with which somebody else, or an agent, goes on with the work."""

from __future__ import annotations

import re

from tenets_session_server.agents import digest
from tenets_session_server.client import text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

    from tenets_session_server.agents.digest import Call, Json

HEADINGS: Final = ("Goal", "Done", "Next", "Decisions", "Blockers")
LISTED: Final = 100
"""Notes since the last hand-off that are listed, at most."""
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
        before = sections_of(call("getContext", id=last["id"])["content"])
        sections |= {name: body for name, body in before.items() if name != "Done"}
    for entry in reversed(digest.newest(call, session_id, LISTED)):
        if last is not None and entry["id"] <= last["id"]:
            continue
        heading = _PLACES.get(entry["kind"].lower(), "Done")
        sections[heading] = f"{sections[heading]}\n- {_item(call, entry)}".strip()
    return "\n".join(f"## {heading}\n\n{body}\n" for heading, body in sections.items())


def sections_of(content: str) -> dict[str, str]:
    """Return the text below each heading of the second level; ours have our case."""
    known = {heading.casefold(): heading for heading in HEADINGS}
    sections: dict[str, list[str]] = {}
    name, fence = "", ""
    for line in content.replace("\r\n", "\n").split("\n"):
        if found := _FENCE.match(line):
            fence = "" if fence == found[1] else fence or found[1]
        heading = None if fence else _HEADING.fullmatch(line)
        if heading is not None:
            name = known.get(heading[1].casefold(), heading[1])
        elif name:
            sections.setdefault(name, []).append(line)
    return {name: "\n".join(lines).strip() for name, lines in sections.items()}


def _item(call: Call, entry: Json) -> str:
    shown, _ = digest.content(call, entry, LONGEST)
    first = next((line.strip() for line in shown.split("\n") if line.strip()), "")
    place = f" ({text.line(text.place(entry['location']))})" if "location" in entry else ""
    return f"{first}{place}"
