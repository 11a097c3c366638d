"""Notes and sessions as files of Markdown, which an editor opens like any other.

They are in a folder beside the database, which only the user can read, and are removed after a day.
"""

from __future__ import annotations

import contextlib
import os
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from msgspec import UNSET

from tenets_session_server.errors import ContextNotFoundError
from tenets_session_server.models.sessions import Session
from tenets_session_server.models.transfer import ExportedEntry
from tenets_session_server.storage import markdown
from tenets_session_server.storage.context_listing import ContextListing
from tenets_session_server.storage.steps import Steps
from tenets_session_server.storage.store import Store

LARGEST: Final = 1024 * 1024
"""Characters that are shown of a session or of a note; the rest is left out, and that is said."""
KEPT: Final = 24 * 3600.0
"""Seconds after which a file is removed."""
_REST: Final = "\n*There is more: run `tenets-session show` or `tenets-session export`.*\n"
_UNUSUAL: Final = re.compile(r"[^\w.-]+")


class ShownFiles:
    """The files of one database."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._written: dict[str, Path] = {}
        self._state = ""  # of the database when they were written
        self._folder = store.shown_folder

    def remove_old(self) -> None:
        """Remove what nobody looks at any more."""
        with contextlib.suppress(OSError):
            for path in list(self._folder.iterdir()):
                with contextlib.suppress(OSError):  # another editor's server does the same
                    if time.time() - path.stat().st_mtime > KEPT:
                        path.unlink()

    def note(self, entry_id: int) -> Path:
        """Write a note; return its file. Raises :class:`ContextNotFoundError` and OSError."""
        key = f"note-{entry_id}"
        if (path := self._already(key)) is not None:
            return path
        text, is_whole = self._entry(entry_id, LARGEST)
        return self._write(key, f"{key}.md", text.lstrip("\n") + ("" if is_whole else _REST))

    def session(self, session: Session) -> Steps[Path]:
        """Write a session; return its file. Raises a ``DatabaseError`` and OSError."""
        key = f"session-{session.id}"
        if (path := self._already(key)) is not None:
            return path
        pieces, left, is_whole = [markdown.of_session(session)], LARGEST, True
        for entry_id in self._ids(session.id):
            is_whole = is_whole and left > 0
            if not is_whole:
                break
            with contextlib.suppress(ContextNotFoundError):  # it was removed meanwhile
                text, is_whole = self._entry(entry_id, left)
                pieces.append(text)
                left -= len(text)
            yield 0.0
        if not is_whole:
            pieces.append(_REST)
        name = _UNUSUAL.sub("-", session.name)[:60].strip("-.")
        return self._write(key, f"{key}-{name}.md", "".join(pieces))

    def _ids(self, session_id: int) -> Iterator[int]:
        listing = ContextListing(session_id=session_id, include_content=False)
        cursor: str | None = None
        while True:
            page = self._store.context.page(listing, cursor=cursor)
            yield from (entry.id for entry in page.entries)
            if (cursor := page.next_cursor) is None:
                return

    def _already(self, key: str) -> Path | None:
        """Return the file, if it is there and nothing has changed since it was written."""
        state = str(self._store.change_log.state())
        if state != self._state:
            self._written.clear()
            self._state = state
        path = self._written.get(key)
        return path if path is not None and path.exists() else None

    def _entry(self, entry_id: int, most: int) -> tuple[str, bool]:
        """Return an entry as Markdown, with at most some characters of it, and whether that is all.

        Raises :class:`ContextNotFoundError`.
        """
        found = self._store.context.piece(entry_id, 0, most)
        if found is None:
            raise ContextNotFoundError(entry_id)
        entry = ExportedEntry(
            kind=found.kind,
            content="" if found.content is UNSET else found.content,
            created_at=found.created_at,
            updated_at=found.updated_at,
            author=found.author,
            imported_author=found.imported_author,
            location=found.location,
        )
        return markdown.of_entry(entry), found.next_offset is None

    def _write(self, key: str, name: str, text: str) -> Path:
        self._folder.mkdir(mode=0o700, exist_ok=True)
        path = self._folder / name
        unfinished = path.with_name(f"{name}.{os.getpid()}")
        unfinished.unlink(missing_ok=True)
        file = os.open(unfinished, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        with os.fdopen(file, "w", encoding="utf-8") as opened:
            opened.write(text)
        unfinished.replace(path)
        self._written[key] = path
        return path
