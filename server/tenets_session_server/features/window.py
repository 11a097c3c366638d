"""One window: its open documents, where their notes are, and the session that it shows."""

from __future__ import annotations

from tenets_session_server.errors import InvalidArgumentError
from tenets_session_server.features.documents import Document, Documents, Edit
from tenets_session_server.features.editor import Editor
from tenets_session_server.features.places import Note, Places
from tenets_session_server.methods.method import CallContext
from tenets_session_server.models.context import Range
from tenets_session_server.models.sessions import Session
from tenets_session_server.storage import states, uris
from tenets_session_server.storage.lines import split


class Window:
    """The window of one client. ``last`` is the place that its user was at last."""

    def __init__(self, call: CallContext, editor: Editor) -> None:
        self.call, self.editor = call, editor
        self.documents = Documents()
        self.last: tuple[str, Range] | None = None
        self._places = dict[str, Places]()

    @property
    def last_uri(self) -> str | None:
        """The document that its user was in at last."""
        return None if self.last is None else self.last[0]

    def open(self, uri: str, version: int, text: str) -> Document:
        """Take a document that was opened."""
        document = self.documents.open(key_of(uri), version, text)
        self._places[key_of(uri)] = Places(self.call.store, document, uri)
        return document

    def edited(self, uri: str, edits: list[Edit] | None) -> None:
        """Follow edits of a document, see :meth:`.Places.edited`."""
        self._places[key_of(uri)].edited(edits)

    def saved(self, uri: str) -> None:
        """Look at the notes of a document that was saved."""
        if (places := self._places.get(key_of(uri))) is not None:
            places.saved()

    def close(self, uri: str) -> None:
        """Drop a document."""
        self.documents.close(key_of(uri))
        self._places.pop(key_of(uri), None)

    def document(self, uri: str) -> Document | None:
        """Return an open document."""
        return self.documents.get(key_of(uri))

    def text(self, uri: str) -> str | None:
        """Return the text of an open document, None if it is not known."""
        document = self.document(uri)
        return None if document is None else document.text

    def notes(self, uri: str) -> list[Note]:
        """Return the notes of an open document, see :meth:`.Places.notes`."""
        if not is_file(uri) or (places := self._places.get(key_of(uri))) is None:
            return []
        return places.notes(str(states.newest(self.call.store.database)))

    def notes_at(self, uri: str, first: int, last: int) -> list[Note]:
        """Return the notes of some lines."""
        return [
            note
            for note in self.notes(uri)
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


def is_file(uri: str) -> bool:
    """Tell whether a URI is of a file of this machine."""
    try:
        place = uris.parse(uri, "uri")
    except InvalidArgumentError:
        return False
    return place.path is not None and bool(place.segments)
