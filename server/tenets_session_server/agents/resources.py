"""What an agent reads as resources and prompts, and which of it a change is about."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Final, NamedTuple
from urllib.parse import quote, unquote

from tenets_session_server import masking
from tenets_session_server.agents import calling, digest, handoff
from tenets_session_server.agents.calling import RefusedError
from tenets_session_server.agents.tools import Json
from tenets_session_server.client import text
from tenets_session_server.client.client import Client

PREFIX: Final = "tenets://sessions/"
STATE: Final = "/state"
"""What follows a session's name for its state, as the public package has it."""
ACTIVE, CURRENT = f"{PREFIX}active", f"{PREFIX}current"
MARKDOWN, JSON = "text/markdown", "application/json"
MOST: Final = 30_000
"""Bytes of a session."""
_SWITCHES: Final = frozenset({"activated", "deactivated", "bound", "deleted", "restored", "reset"})


class Text(NamedTuple):
    """A resource's content."""

    mime_type: str
    text: str


class Resources:
    """The resources and prompts of one agent; ``connect`` returns a new client."""

    def __init__(self, connect: Callable[[], Client]) -> None:
        self._connect = connect
        self._shown: set[int] | None = None  # the ids of what is active, and of what is current

    def read(self, uri: str) -> Text:
        """Return a resource; raises :class:`RefusedError`."""
        if not uri.startswith(PREFIX):
            raise RefusedError(f"expected {PREFIX}NAME, got {uri}")
        return calling.answered(self._connect, lambda call: _read(call, uri))

    def prompt(self, name: str) -> str:
        """Return the text of a prompt; raises :class:`RefusedError`."""
        if name not in PROMPTS:
            raise RefusedError(f"there is no prompt {name}; there are {', '.join(PROMPTS)}")
        return calling.answered(self._connect, lambda call: _prompt(call, name))

    def changed(self, batch: Json) -> list[str]:
        """Return the resources that a batch of changes is about."""
        changes = batch["changes"]
        names = dict.fromkeys(one["sessionName"] for one in changes if one["sessionName"])
        uris = [one for name in names for one in (uri_of(name), f"{uri_of(name)}{STATE}")]
        is_switch = any(one["type"] in _SWITCHES for one in changes) or batch.get("incomplete")
        if self._shown is None or is_switch:
            self._shown = calling.answered(self._connect, _shown)
        if is_switch or not self._shown.isdisjoint(one["sessionId"] for one in changes):
            uris += [ACTIVE, CURRENT]
        return uris


def uri_of(name: str) -> str:
    """Return the URI of a session."""
    return PREFIX + quote(name, safe="")


def _read(call: digest.Call, uri: str) -> Text:
    if uri == CURRENT:
        return Text(MARKDOWN, _of_current(call))
    if uri == ACTIVE:
        active = {"session": call("getActive"), "binding": None}
        return Text(MARKDOWN, digest.of_current(call, active, MOST) or "No session is active.")
    name = unquote(uri.removeprefix(PREFIX).removesuffix(STATE))
    session = call("get", name=name)
    if session is None:
        raise calling.no_session(name)
    if uri.endswith(STATE):
        return Text(JSON, _state(session))
    return Text(MARKDOWN, digest.of_session(call, session, MOST))


def _of_current(call: digest.Call) -> str:
    current = call("getCurrent", includeMetadata=True)
    return digest.of_current(call, current, MOST) or "No session is current."


def _state(session: Json) -> str:
    """Return a session as the resource of the public package has it."""
    found = {
        "name": session["name"],
        "created_at": session["createdAt"],
        "metadata": _masked(session["metadata"]),
    }
    return json.dumps(found, indent=2, ensure_ascii=False)


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
    template = text.block(masking.masked(handoff.template(call, current["session"]["id"])))
    return (
        "Hand this work session over to whoever goes on: complete what follows, from what you know"
        " of the work, and store it with session_note, kind handoff. Keep the headings."
        f" {digest.WARNING}\n\n{digest.quoted(template)}"
    )
