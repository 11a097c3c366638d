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
_SECTION: Final = re.compile(r"^## (.+?)[ \t]*$", re.MULTILINE)
_PLACES: Final = {"decision": "Decisions", "blocker": "Blockers", "question": "Blockers"}
"""Under which heading notes of these kinds are listed; others under "Done"."""


def template(call: Call, session_id: int) -> str:
    """Return a hand-off to complete, as Markdown.

    What the last one says of the goal, of what is next, of decisions and blockers is in it, and the
    notes since then.
    """
    last = next(iter(digest.newest(call, session_id, 1, kind=digest.HANDOFF)), None)
    sections = dict.fromkeys(HEADINGS, "")
    if last is not None:
        given = sections_of(call("getContext", id=last["id"])["content"])
        sections |= {name: given.get(name, "") for name in HEADINGS if name != "Done"}
    for entry in reversed(digest.newest(call, session_id, LISTED)):
        if last is not None and entry["id"] <= last["id"]:
            continue
        heading = _PLACES.get(entry["kind"].lower(), "Done")
        sections[heading] = f"{sections[heading]}\n- {_item(entry)}".strip()
    return "\n".join(f"## {heading}\n\n{body}\n" for heading, body in sections.items())


def sections_of(content: str) -> dict[str, str]:
    """Return the text below each heading of the second level."""
    _, *parts = _SECTION.split(content)
    return {name: body.strip() for name, body in zip(parts[::2], parts[1::2], strict=True)}


def _item(entry: Json) -> str:
    place = f" ({text.line(text.place(entry['location']))})" if "location" in entry else ""
    return f"{text.line(entry['preview'])}{place}"
