"""One window: its open documents, where their notes are, and the session that it shows."""

from __future__ import annotations

from pathlib import Path

from tenets_session_server.errors import InvalidArgumentError
from tenets_session_server.features.documents import ContentChange, Document, Documents
from tenets_session_server.features.editor import Editor
from tenets_session_server.features.places import Note, Places
from tenets_session_server.methods.method import CallContext
from tenets_session_server.models.context import Range
from tenets_session_server.models.sessions import Session
from tenets_session_server.storage import uris
from tenets_session_server.storage.lines import split
from tenets_session_server.storage.steps import Steps


class Window:
    """The window of one client."""

    def __init__(self, call: CallContext, editor: Editor) -> None:
        self.call, self.editor = call, editor
        self.documents = Documents()
        self._last: tuple[str, Range] | None = None
        self._places: dict[str, Places] = {}

    @property
    def last(self) -> tuple[str, Range] | None:
        """The place in a file that its user was at last."""
        return self._last

    def visit(self, uri: str, range_: Range) -> None:
        """Note where the user is. Other buffers than files do not count: no command is for them."""
        if is_file(uri):
            self._last = (uri, range_)

    @property
    def last_uri(self) -> str | None:
        """The document that its user was in at last."""
        return None if self.last is None else self.last[0]

    def open(self, uri: str, version: int, text: str) -> Document:
        """Take a document that was opened."""
        document = self.documents.open(key_of(uri), version, text)
        self._places[key_of(uri)] = Places(self.call.store, document, uri)
        return document

    def change(
        self, document: Document, version: int | None, changes: list[ContentChange]
    ) -> Steps[None]:
        """Follow changes of an open document, and so do its notes."""
        places = self._places[document.uri]
        yield from places.before_edit()
        edits = yield from self.documents.change(document, version, changes)
        yield from places.edited(edits)

    def saved(self, uri: str) -> Steps[None]:
        """Look for the notes of a document that was saved."""
        if (places := self._places.get(key_of(uri))) is not None:
            yield from places.saved()

    def give(self, uri: str, entry_id: int, first: int, last: int) -> None:
        """Take the lines of a note that was just made of them."""
        if (places := self._places.get(key_of(uri))) is not None:
            places.give(entry_id, first, last)

    def forget(self, uri: str | None) -> None:
        """Forget the text of a document, None: of all, as a change of it is not known."""
        if uri is None:
            self.documents.forget()
        elif (document := self.document(uri)) is not None:
            document.forget()

    def close(self, uri: str) -> None:
        """Drop a document."""
        self.documents.close(key_of(uri))
        self._places.pop(key_of(uri), None)

    def document(self, uri: str) -> Document | None:
        """Return an open document."""
        return self.documents.get(key_of(uri))

    def notes(self, uri: str) -> Steps[list[Note]]:
        """Return the notes of an open document, see :meth:`.Places.notes`."""
        if not is_uri(uri) or (places := self._places.get(key_of(uri))) is None:
            return []
        return (yield from places.notes())

    def notes_at(self, uri: str, first: int, last: int) -> Steps[list[Note]]:
        """Return the notes of some lines."""
        return [
            note
            for note in (yield from self.notes(uri))
            if note.lines is not None and note.lines[0] <= last and note.lines[1] >= first
        ]

    def lines(self, uri: str) -> list[str] | None:
        """Return the lines of a document or of a file, None if they are not known."""
        document = self.document(uri)
        if document is not None:
            return document.lines
        text = self.call.text(uri)
        return None if text is None else split(text)

    def folder(self, uri: str) -> str | None:
        """Return the folder of the window that a file is in, else the first one."""
        folders = {uris.parse(one, "folder"): one for one in self.call.folders()}
        nearest = uris.Folders(folders).nearest(uris.parse(uri, "uri"))
        return self.call.folder(None) if nearest is None else folders[nearest]

    def session(self, uri: str | None) -> Session | None:
        """Return the session that is shown for a file, None if there is none."""
        folder = self.call.folder(None) if uri is None else self.folder(uri)
        return self.call.store.workspace.current(folder).session

    def other_sessions(self, than: Session | None, most: int) -> list[Session]:
        """Return some sessions, the newest first, without the one that is shown."""
        found = self.call.store.sessions.page(limit=most + 1, order="recent").sessions
        return [one for one in found if than is None or one.id != than.id][:most]


def key_of(uri: str) -> str:
    """Return a text that is equal for URIs of one document."""
    try:
        return uris.parse(uri, "uri").key
    except InvalidArgumentError:  # whatever an editor calls a buffer without a name
        return uri


def as_uri(uri: str) -> str:
    """Return the URI of a file that may be given by its absolute path."""
    path = uris.parse(uri, "uri").path
    return uri if path is None or uri.lower().startswith("file:") else Path(path).as_uri()


def is_uri(uri: str) -> bool:
    """Tell whether a note can be there: in a file, also of another machine or of none."""
    return _place(uri) is not None


def is_file(uri: str) -> bool:
    """Tell whether a URI is of a file of this machine."""
    place = _place(uri)
    return place is not None and place.path is not None


def _place(uri: str) -> uris.Uri | None:
    try:
        place = uris.parse(uri, "uri")
    except InvalidArgumentError:  # a buffer without a name, or what is no file for its editor
        return None
    return place if place.segments else None
