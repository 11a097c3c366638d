"""What an agent reads as resources and prompts, and which of it a change is about."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Callable
from typing import Any, Final, Literal, NamedTuple, Self
from urllib.parse import unquote

from tenets_session_server import masking
from tenets_session_server.agents import calling, digest, handoff
from tenets_session_server.agents.calling import RefusedError
from tenets_session_server.agents.tools import Json
from tenets_session_server.client import text
from tenets_session_server.client.client import Client

PREFIX: Final = "tenets://sessions/"
STATE: Final = "/state"
"""What follows a session's name for its state, as the public package has it."""
FIXED: Final = {
    "active": "The session that is active in every editor, with its notes",
    "current": "The session that is current in this folder, with its notes",
}
"""The resources that are not named by a session. A session with such a name has a URI, too: one in
which a letter is percent-encoded, for example ``%61ctive``."""
MARKDOWN, JSON = "text/markdown", "application/json"
MOST: Final = 30_000
"""Bytes of a session."""
LARGEST_SECTION: Final = 5_000
"""Bytes of a section in a hand-off to complete: there is room for all of our headings."""
_OF_LIST: Final = frozenset({"created", "renamed", "deleted", "restored"})
"""Changes after which other sessions can be read."""
_WITHIN: Final = frozenset({"updated", "contextAdded", "contextUpdated", "contextRemoved"})
"""Changes that never make another session the active or the current one.

The others may: a folder that is bound to a name shows another session once one gets that name.
"""


class Text(NamedTuple):
    """A resource's content."""

    mime_type: str
    text: str


class Resource(NamedTuple):
    """What a URI means; several URIs may mean the same."""

    kind: Literal["fixed", "session", "state"]
    name: str

    @classmethod
    def of(cls, uri: str) -> Self | None:
        """Return what a URI means, None if it is none of ours."""
        if not uri.startswith(PREFIX):
            return None
        name = uri.removeprefix(PREFIX)
        if name in FIXED:
            return cls("fixed", name)
        if name.endswith(STATE):
            return cls("state", unquote(name.removesuffix(STATE)))
        return cls("session", unquote(name))


class Changed(NamedTuple):
    """What some changes are about: the names of sessions, and whether anything else."""

    names: frozenset[str]
    is_fixed: bool
    """The active or the current session, or which one that is."""
    is_renamed: bool
    """A session has another name, and nothing tells the one that it had."""
    is_list: bool
    """Other sessions can be read."""
    is_incomplete: bool
    """Changes are missing."""

    def concerns(self, uri: str) -> bool:
        """Tell whether a resource may be another than before."""
        resource = Resource.of(uri)
        if resource is None:
            return False
        if resource.kind == "fixed":
            return self.is_fixed
        return self.is_incomplete or self.is_renamed or _composed(resource.name) in self.names


class Resources:
    """The resources and prompts of one agent; ``connect`` returns a new client."""

    def __init__(self, connect: Callable[[], Client]) -> None:
        self._connect = connect
        self._shown: set[int] | None = None  # the ids of what is active, and of what is current

    def read(self, uri: str) -> Text:
        """Return a resource; raises :class:`RefusedError`."""
        resource = Resource.of(uri)
        if resource is None:
            raise RefusedError(f"expected {PREFIX}NAME, got {uri}")
        return calling.answered(self._connect, lambda call: _read(call, resource))

    def prompt(self, name: str) -> str:
        """Return the text of a prompt; raises :class:`RefusedError`."""
        if name not in PROMPTS:
            raise RefusedError(f"there is no prompt {name}; there are {', '.join(PROMPTS)}")
        return calling.answered(self._connect, lambda call: _prompt(call, name))

    def changed(self, batch: Json) -> Changed:
        """Return what a batch of changes is about; raises :class:`RefusedError`."""
        changes = batch["changes"]
        types = {one["type"] for one in changes}
        is_incomplete = batch.get("incomplete", False)
        is_switch = is_incomplete or not types <= _WITHIN
        if self._shown is None or is_switch:
            self._shown = calling.answered(self._connect, _shown)
        return Changed(
            frozenset(_composed(one["sessionName"]) for one in changes if one["sessionName"]),
            is_fixed=is_switch or not self._shown.isdisjoint(one["sessionId"] for one in changes),
            is_renamed="renamed" in types,
            is_list=is_incomplete or not types.isdisjoint(_OF_LIST),
            is_incomplete=is_incomplete,
        )


def _composed(name: str) -> str:
    """Return a name in the form that is compared: a session is found by each of its forms."""
    return unicodedata.normalize("NFC", name)


def _read(call: digest.Call, resource: Resource) -> Text:
    if resource.kind == "fixed":
        return Text(MARKDOWN, _FIXED[resource.name](call))
    session = call("get", name=resource.name)
    if session is None:
        raise calling.no_session(resource.name)
    if resource.kind == "state":
        return Text(JSON, _state(session))
    return Text(MARKDOWN, digest.of_session(call, session, MOST))


def _of_active(call: digest.Call) -> str:
    active = {"session": call("getActive"), "binding": None}
    return digest.of_current(call, active, MOST) or "No session is active."


def _of_current(call: digest.Call) -> str:
    current = call("getCurrent", includeMetadata=True)
    return digest.of_current(call, current, MOST) or "No session is current."


_FIXED: Final = {"active": _of_active, "current": _of_current}


def _state(session: Json) -> str:
    """Return a session as the resource of the public package has it."""
    found = {
        "name": session["name"],
        "created_at": session["createdAt"],
        "metadata": _masked(session["metadata"]),
    }
    return text.json(json.dumps(found, indent=2, ensure_ascii=False))


def _masked(value: Any) -> Any:
    if isinstance(value, str):
        return masking.masked(value)
    if isinstance(value, list):
        return [_masked(one) for one in value]
    if isinstance(value, dict):
        return {masking.masked(name): _masked(one) for name, one in value.items()}
    return value


def _shown(call: digest.Call) -> set[int]:
    """Return the ids of the active and of the current session."""
    active = call("getActive", includeMetadata=False)
    current = call("getCurrent", includeMetadata=False)["session"]
    return {one["id"] for one in (active, current) if one is not None}


PROMPTS: Final = {
    "handoff": "Hand the current session over to whoever goes on",
    "resume": "Go on with the current session",
}


def _prompt(call: digest.Call, name: str) -> str:
    current = call("getCurrent", includeMetadata=True)
    if current["session"] is None:
        return "No tenets session is current. Ask me which one to work in."
    if name == "resume":
        return f"Go on with this work session.\n\n{digest.of_current(call, current, MOST)}"
    return (
        "Hand this work session over to whoever goes on: complete what follows, from what you know"
        " of the work, and store it with session_note, kind handoff. Keep the headings."
        f" {digest.WARNING}\n\n{_to_complete(call, current['session']['id'])}"
    )


def _to_complete(call: digest.Call, session_id: int) -> str:
    """Return a hand-off to complete, quoted; each section is cut where it is too long."""
    template = text.block(masking.masked(handoff.template(call, session_id)))
    sections = dict.fromkeys(handoff.HEADINGS, "") | handoff.sections_of(template)
    found = digest.Text(MOST)
    for heading, body in sections.items():
        if not found.add(_cut(digest.quoted(f"## {heading}\n\n{body}"))):
            found.add("(cut: there are more sections)")
            break
    return str(found)


def _cut(section: str) -> str:
    data = section.encode("utf-8", "replace")
    if len(data) <= LARGEST_SECTION:
        return section
    return f"{data[:LARGEST_SECTION].decode('utf-8', 'ignore')}\n(cut: it is longer)"
