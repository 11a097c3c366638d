"""Where the notes of an open document are: they move with its edits, and are never guessed.

An edit moves what is below it. Where it has taken or changed the ends of a note, the note is
looked for again by its anchor. What is not found then is lost, until the document is saved, or an
edit puts its first line somewhere.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final

from msgspec import Struct

from tenets_session_server.features.documents import Document
from tenets_session_server.features.edits import Edit
from tenets_session_server.models.context import Anchor, ContextEntry, Range
from tenets_session_server.storage.anchors import Text
from tenets_session_server.storage.context_locations import MOST_LOCATED, located_in, location_of
from tenets_session_server.storage.lines import lines_of, whole_lines
from tenets_session_server.storage.steps import Steps, patiently
from tenets_session_server.storage.store import Store

MOST_MOVES: Final = 1_000_000
"""Moves of notes by the edits of one message, which take half a second; with more, by anchors."""


class Note(Struct):
    """A note of a document. ``lines`` are the first and the last one, None while it is lost."""

    entry: ContextEntry
    range: Range
    anchor: Anchor | None
    lines: tuple[int, int] | None = None

    def whole_lines(self, document: Document) -> Range | None:
        """Return its lines in its document as a range, None if they are lost."""
        if self.lines is None or document.lines is None:
            return None
        return whole_lines(document.lines, *self.lines)

    def may_be_in(self, edits: Sequence[Edit]) -> bool:
        """Tell whether edits have put its first line anywhere."""
        if self.anchor is None:
            return False
        first = " ".join(self.anchor.quote.partition("\n")[0].split())
        return any(edit.has_put(first) for edit in edits)


class Places:
    """The places of the notes of one document."""

    def __init__(self, store: Store, document: Document, uri: str) -> None:
        self._store, self._document, self._uri = store, document, uri
        self._notes: dict[int, Note] = {}
        self._given: dict[int, tuple[int, int]] = {}
        self._state = ""  # of the database when they were read

    def notes(self) -> Steps[list[Note]]:
        """Return the notes of the document, by their lines; those that are lost come last.

        They are read anew if the database has changed. Raises a ``DatabaseError``.
        """
        state = yield from patiently(lambda: str(self._store.change_log.state()))
        if state != self._state:
            yield from self._read()
        found = self._notes.values()
        if self._document.lines is None:
            for note in found:
                note.lines = None
        return sorted(found, key=lambda note: (note.lines is None, note.lines, note.entry.id))

    def give(self, entry_id: int, first: int, last: int) -> None:
        """Take the lines of a note that was just made of them: no search can be as sure."""
        self._given[entry_id] = (first, last)

    def before_edit(self) -> Steps[None]:
        """Read the notes that it would move, if they are not known yet."""
        if (self._given or not self._state) and self._document.lines is not None:
            yield from self._read()

    def edited(self, edits: Sequence[Edit] | None) -> Steps[None]:
        """Follow edits; None: any of the lines may be another one."""
        if edits is None or len(edits) * len(self._notes) > MOST_MOVES:
            yield from self._find(self._notes.values())
            return
        unsure: list[Note] = []
        for note in self._notes.values():
            before = note.lines
            for edit in edits:
                if note.lines is not None:
                    note.lines = edit.moved(*note.lines)
            if len(edits) > 1:
                yield 0.0
            # What was lost may have come back, as by "undo".
            if note.lines is None and (before is not None or note.may_be_in(edits)):
                unsure.append(note)
        yield from self._find(unsure)

    def saved(self) -> Steps[None]:
        """Look for the notes that are lost."""
        yield from self._find([note for note in self._notes.values() if note.lines is None])

    def _read(self) -> Steps[None]:
        listing = located_in(self._uri)
        page = yield from patiently(lambda: self._store.context.page(listing, MOST_LOCATED))
        before, self._notes = self._notes, {}
        new: list[Note] = []
        for entry in page.entries:
            location = location_of(entry)
            if location is None or location.range is None:
                continue
            note = Note(entry, location.range, location.anchor, self._given.pop(entry.id, None))
            old = before.get(entry.id)
            if old is not None and (old.range, old.anchor) == (note.range, note.anchor):
                note.lines = old.lines
            elif note.lines is None:
                new.append(note)
            self._notes[entry.id] = note
        self._state = page.state
        yield from self._find(new)

    def _find(self, notes: Collection[Note]) -> Steps[None]:
        """Look for notes by their anchors."""
        lines = self._document.lines
        if lines is None or not notes:
            return
        # For one note, an index takes longer than it saves.
        text = Text(lines) if len(notes) == 1 else (yield from Text.indexed(lines))
        for note in notes:
            found = None if note.anchor is None else text.locate(note.range, note.anchor)
            note.lines = None if found is None else lines_of(found)
            yield 0.0
