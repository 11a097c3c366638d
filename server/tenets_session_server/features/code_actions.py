"""Code actions: what a person does with the lines that are selected. They run a command each."""

from __future__ import annotations

import json
from typing import Any, Final

from msgspec import UNSET

from tenets_session_server.features.messages import CodeAction, CodeActionParams, Command
from tenets_session_server.features.window import Window, is_file
from tenets_session_server.models.context import Range
from tenets_session_server.models.sessions import Session
from tenets_session_server.storage import uris
from tenets_session_server.storage.lines import lines_of
from tenets_session_server.storage.metadata import PINNED
from tenets_session_server.storage.steps import Steps

KIND: Final = "source.tenets"
_AUTOMATIC: Final = 2
MOST_OTHERS: Final = 5
"""Sessions that have an action each, in an editor that cannot ask which one."""
ADD: Final = "tenets.session.addSelection"
PIN: Final = "tenets.session.pinFile"
SHOW: Final = "tenets.session.show"
SWITCH: Final = "tenets.session.switch"
OPEN: Final = "tenets.session.open"


def code_actions(window: Window, params: CodeActionParams) -> Steps[list[CodeAction]]:
    """Return the actions for a range; none where the editor asks by itself, as with each move.

    They have a kind only where the editor asks for kinds: VS Code hides others' kinds from its
    usual menu.
    """
    uri, only = params.text_document.uri, params.context.only
    if not is_file(uri) or params.context.trigger_kind == _AUTOMATIC:
        return []
    if only and not {KIND, "source"} & {*only}:
        return []
    window.visit(uri, params.range)
    first, last = lines_of(params.range)
    session = window.session(uri)
    commands = [] if session is None else _on_session(session, uri, params.range)
    if notes := (yield from window.notes_at(uri, first, last)):
        what = "the note" if len(notes) == 1 else f"the {len(notes)} notes"
        where = {"uri": uri, "range": params.range}
        commands.append(Command(f"Read {what} at {lines(first, last)}", SHOW, [where]))
    if window.editor.features.asks:
        commands.append(Command("Switch session ...", SWITCH, []))
    else:
        for other in window.other_sessions(session, MOST_OTHERS):
            commands.append(Command(f"Switch to {other.name}", SWITCH, [{"id": other.id}]))
    if session is not None:
        commands.append(Command(f"Open {session.name} as Markdown", OPEN, [{"id": session.id}]))
    kind = KIND if only else UNSET
    return [CodeAction(command.title, command, kind) for command in commands]


def _on_session(session: Session, uri: str, range_: Range) -> list[Command]:
    target = {"uri": uri, "range": range_, "sessionId": session.id}
    pin = {"uri": uri, "sessionId": session.id, "pinned": not is_pinned(session, uri)}
    pinning = "Pin this file to" if pin["pinned"] else "Unpin this file from"
    return [
        Command(f"Add {lines(*lines_of(range_))} to {session.name}", ADD, [target]),
        Command(f"{pinning} {session.name}", PIN, [pin]),
    ]


def is_pinned(session: Session, uri: str) -> bool:
    """Tell whether a file is pinned to a session."""
    metadata: Any = {} if session.metadata is UNSET else json.loads(bytes(session.metadata))
    pinned = metadata.get(PINNED)
    path = uris.resolved(uris.parse(uri, "uri")).path
    return isinstance(pinned, list) and path in pinned


def lines(first: int, last: int) -> str:
    """Return how lines are called: "line 9", "lines 9-13"."""
    return f"line {first + 1}" if first == last else f"lines {first + 1}-{last + 1}"
