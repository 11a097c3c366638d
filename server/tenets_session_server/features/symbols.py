"""Workspace symbols: notes and sessions are found like functions, and jumped to."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Final

from tenets_session_server.errors import ContextNotFoundError, LimitExceededError
from tenets_session_server.features.messages import Place, Symbol
from tenets_session_server.features.notes_shown import one_line, shortened
from tenets_session_server.features.shown_files import ShownFiles
from tenets_session_server.features.window import Window, as_uri, is_file, key_of
from tenets_session_server.models.context import ContextEntry, Location, Position, Range
from tenets_session_server.models.search import SearchHit
from tenets_session_server.storage.anchors import Text
from tenets_session_server.storage.context_listing import ContextListing
from tenets_session_server.storage.context_locations import location_of
from tenets_session_server.storage.search_query import Scope
from tenets_session_server.storage.steps import Steps

logger = logging.getLogger(__name__)

MOST: Final = 50
MOST_FILES: Final = 20
"""Files that are read, and as many that are written, for one answer."""
MOST_WORDS: Final = 5
"""Words that are searched for one by one."""
LONGEST: Final = 80
"""Characters of a note in a name."""
_STRING, _NAMESPACE = 15, 3
_TOP: Final = Range(Position(0, 0), Position(0, 0))


def symbols(window: Window, files: ShownFiles, query: str) -> Steps[list[Symbol]]:
    """Return what is found: first what has all words, then what has any of them.

    VS Code sends the first word only, and then filters by name. Without a query it is the newest
    notes of the session that is shown.
    """
    places = _Places(window, files)
    shown = list[Symbol | None]()
    if not query.strip():
        session = window.session(None)
        if session is not None:
            listing = ContextListing(session_id=session.id, order="newest", include_content=False)
            for entry in window.call.store.context.page(listing, MOST).entries:
                shown.append((yield from places.of_note(entry, entry.preview)))
    else:
        found = dict[tuple[int, int | None], SearchHit]()
        for text in dict.fromkeys((query, *query.split()[:MOST_WORDS])):
            if len(found) < MOST:
                for hit in window.call.store.search.search(text, Scope(), MOST).hits:
                    found.setdefault((hit.session.id, hit.entry.id if hit.entry else None), hit)
                yield 0.0
        for hit in list(found.values())[:MOST]:
            shown.append((yield from places.of_hit(hit)))
    return [one for one in shown if one is not None]


class _Places:
    """The places of what one query has found."""

    def __init__(self, window: Window, files: ShownFiles) -> None:
        self._window, self._files = window, files
        self._texts = dict[str, Text | None]()
        self._written = 0

    def of_hit(self, hit: SearchHit) -> Steps[Symbol | None]:
        if hit.entry is not None:
            return (yield from self.of_note(hit.entry, hit.snippet))
        session = self._window.call.store.sessions.get(None, hit.session.id)
        if session is None:
            return None
        path = yield from self._file(self._files.session(session))
        if path is None:
            return None
        return Symbol(one_line(session.name), _NAMESPACE, Place(path.as_uri(), _TOP), "session")

    def of_note(self, entry: ContextEntry, line: str) -> Steps[Symbol | None]:
        """Return the symbol of a note, None if there is no place to jump to."""
        location, lost = location_of(entry), ""
        if location is not None and is_file(location.uri):
            range_ = _TOP
            if location.range is not None:
                known, placed = yield from self._placed(entry.id, location)
                range_ = placed or _TOP
                if not placed:
                    # Where the file was not read, the line may well be right, but is not sure.
                    kind = "lost" if known else "unsure"
                    lost = f" (line {kind}, was {location.range.start.line + 1})"
            place = Place(as_uri(location.uri), range_)
        else:
            path = yield from self._file(self._note(entry.id))
            if path is None:
                return None
            place = Place(path.as_uri(), _TOP)
        session = f" — {entry.session_name}" if entry.session_name else ""
        shown = shortened(line, LONGEST) or entry.kind
        return Symbol(one_line(f"✎ {shown}{session}{lost}"), _STRING, place)

    def _placed(self, entry_id: int, location: Location) -> Steps[tuple[bool, Range | None]]:
        """Return whether the text of a file is known, and the place of a note there."""
        document = self._window.document(location.uri)
        if document is not None:
            for note in (yield from self._window.notes(location.uri)):
                if note.entry.id == entry_id:
                    return document.lines is not None, note.whole_lines(document)
            return False, None
        text = yield from self._text(location.uri)
        if text is None or location.range is None or location.anchor is None:
            return text is not None, None
        return True, text.locate(location.range, location.anchor)

    def _text(self, uri: str) -> Steps[Text | None]:
        """Return the text of a file that is not open; each is read once."""
        key = key_of(uri)
        if key not in self._texts:
            self._texts[key] = None
            if len(self._texts) <= MOST_FILES:
                try:
                    lines = self._window.lines(uri)
                except LimitExceededError:
                    lines = None
                yield 0.0
                if lines is not None:
                    self._texts[key] = yield from Text.indexed(lines)
        return self._texts[key]

    def _note(self, entry_id: int) -> Steps[Path]:
        yield 0.0
        return self._files.note(entry_id)

    def _file(self, write: Steps[Path]) -> Steps[Path | None]:
        if self._written == MOST_FILES:
            return None
        self._written += 1
        try:
            return (yield from write)
        except OSError as error:
            logger.warning("a note cannot be shown as a file: %s", error)
        except ContextNotFoundError:  # it was deleted meanwhile
            pass
        return None
