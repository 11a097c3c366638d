"""The commands of the features: what a person picks from a menu. Each also works without argument.

A command answers at once. What came of it is shown to the user.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Final

import msgspec
from msgspec import Meta, Raw, Struct

from tenets_session_server.errors import SessionNotFoundError
from tenets_session_server.features import code_actions
from tenets_session_server.features.code_actions import is_pinned, lines
from tenets_session_server.features.notes_shown import full_text
from tenets_session_server.features.shown_files import ShownFiles
from tenets_session_server.features.window import Window
from tenets_session_server.methods.params import EntryId, ParamsDecoder, SessionId
from tenets_session_server.models.context import Range
from tenets_session_server.models.sessions import Session
from tenets_session_server.storage.context_locations import Location
from tenets_session_server.storage.lines import lines_of, whole_lines
from tenets_session_server.storage.steps import Steps

KIND: Final = "code"
"""The kind of an entry that is made of lines."""
LONGEST_MESSAGE: Final = 300
"""Characters of a note that is shown in a message."""
MOST_NOTES: Final = 5
"""Notes that are opened at once."""


class Argument(Struct, rename="camel", frozen=True):
    """The argument of a command, an object; members that a command does not need are ignored."""

    uri: Annotated[str, Meta(min_length=1, description="the URI of a document")] | None = None
    range: Annotated[Range, Meta(description="an LSP range")] | None = None
    session_id: SessionId | None = None
    id: EntryId | None = None  # or of a session
    name: Annotated[str, Meta(description="the name of a session")] | None = None
    pinned: Annotated[bool, Meta(description="true or false")] | None = None

    @property
    def session(self) -> int | None:
        """The id of a session, for a command that is about one."""
        return self.session_id if self.id is None else self.id


_decode: Final = ParamsDecoder(Argument).decode
_encode: Final = msgspec.json.Encoder().encode


class Commands:
    """The commands of one window, by their names."""

    def __init__(self, window: Window, files: ShownFiles) -> None:
        self._window, self._files = window, files
        self._by_name: dict[str, Callable[[Argument], Steps[None] | None]] = {
            code_actions.ADD: self._add,
            code_actions.PIN: self._pin,
            code_actions.SHOW: self._show,
            code_actions.SWITCH: self._switch,
            code_actions.OPEN: self._open,
        }

    @property
    def names(self) -> list[str]:
        """The names of all commands."""
        return list(self._by_name)

    def run(self, name: str, argument: Raw) -> Steps[None] | None:
        """Run a command, or return its steps.

        Raises :class:`InvalidParamsError`, and what the store raises.
        """
        if bytes(argument).strip().isdigit():  # an id by itself
            argument = Raw(b'{"id":' + bytes(argument) + b"}")
        return self._by_name[name](_decode(argument))

    def _add(self, given: Argument) -> None:
        """Add the lines of a range to a session."""
        uri, range_ = given.uri, given.range
        if uri is None or range_ is None:
            if self._window.last is None:
                self._say("Select the lines, and pick it from the code actions")
                return
            uri, range_ = self._window.last
        session = self._session(uri, given.session_id)
        text = self._window.lines(uri)
        first, last = lines_of(range_)
        if text is None or first >= len(text):
            self._say("The lines cannot be read; is the document open?")
            return
        last = min(last, len(text) - 1)
        whole = whole_lines(text, first, last)
        content = "".join(text[first : last + 1])
        if not content.strip():
            verb = "is" if first == last else "are"
            self._say(f"Nothing is added: {lines(first, last)} {verb} blank")
            return
        location = Location(_encode({"uri": uri, "range": whole}), uri)
        added = self._window.call.store.context.add(
            None,
            KIND,
            content,
            session_id=session.id,
            location=location.anchored(whole, "".join(text)),
        )
        self._window.give(uri, added.id, first, last)
        self._say(f"Added {lines(first, last)} to {session.name}")

    def _pin(self, given: Argument) -> None:
        """Pin a file to a session, or unpin it."""
        uri = given.uri or self._window.last_uri
        if uri is None:
            self._say("Open the file, and pick it from the code actions")
            return
        session = self._session(uri, given.session_id)
        pinned = given.pinned if given.pinned is not None else not is_pinned(session, uri)
        self._window.call.store.workspace.pin(None, uri, session_id=session.id, pinned=pinned)
        self._say(f"{'Pinned the file to' if pinned else 'Unpinned the file from'} {session.name}")

    def _show(self, given: Argument) -> Steps[None]:
        """Show a note, or those of some lines."""
        ids = [] if given.id is None else [given.id]
        if not ids:
            if given.uri is not None and given.range is not None:
                self._window.visit(given.uri, given.range)
            if (place := self._window.last) is not None:
                notes = yield from self._window.notes_at(place[0], *lines_of(place[1]))
                ids = [note.entry.id for note in notes]
        if not ids:
            self._say("No note is at this line")
        for entry_id in ids[:MOST_NOTES]:
            self._show_one(entry_id)

    def _show_one(self, entry_id: int) -> None:
        text = full_text(self._window, entry_id)
        if text is None:
            self._say(f"The note {entry_id} is not there any more")
            return
        short = text.strip()
        if len(short) > LONGEST_MESSAGE:
            short = f"{short[:LONGEST_MESSAGE]} ..."
        try:
            path = self._files.note(entry_id)
        except OSError:
            self._say(short)
            return
        whole = "" if short == text.strip() else f" (all of it: {path})"
        self._window.editor.open(path, f"{short}{whole}")

    def _open(self, given: Argument) -> Steps[None]:
        """Open a session as Markdown."""
        session = self._session(self._window.last_uri, given.session)
        try:
            path = yield from self._files.session(session)
        except OSError as error:
            self._say(f"{session.name} cannot be shown as a file: {error.strerror}")
            return
        self._window.editor.open(path, f"{session.name} is in {path}")

    def _switch(self, given: Argument) -> None:
        """Activate a session, or have the user choose: the current one first, then the newest."""
        if given.session is not None or given.name is not None:
            self._activate(given.name, given.session)
            return
        editor = self._window.editor
        current = self._window.session(self._window.last_uri)
        choices = {} if current is None else {f"{current.name} (current)": current.id}
        for one in self._window.other_sessions(
            current, editor.features.most_choices - len(choices)
        ):
            choices[one.name] = one.id
        if not choices:
            self._say("There is no session yet; create one with: tenets-session create NAME")
            return
        editor.ask(
            "Switch to which session?", list(choices), lambda name: self._chosen(choices, name)
        )

    def _chosen(self, choices: dict[str, int], name: str) -> None:
        if (session_id := choices.get(name)) is not None:
            self._window.editor.run(lambda: self._activate(None, session_id))

    def _activate(self, name: str | None, session_id: int | None) -> None:
        store = self._window.call.store
        store.author = self._window.call.author()
        session = store.sessions.set_active(name, session_id=session_id)
        uri = self._window.last_uri
        folder = None if uri is None else self._window.folder(uri)
        shown = store.workspace.current(self._window.call.folder(folder))
        sentence = f"Active session: {session.name}"
        if shown.binding is not None and shown.session is not None:
            sentence += f"; this folder stays bound to {shown.session.name}"
        self._say(sentence)

    def _session(self, uri: str | None, session_id: int | None) -> Session:
        """Return the session that is meant; raises :class:`SessionNotFoundError`."""
        if session_id is not None:
            return self._window.call.store.sessions.require(None, session_id)
        session = self._window.session(uri)
        if session is None:
            raise SessionNotFoundError(None, "no session is active: switch to one first")
        return session

    def _say(self, sentence: str) -> None:
        self._window.editor.show(sentence)
