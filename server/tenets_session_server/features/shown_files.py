"""Notes and sessions as files of Markdown, which an editor opens like any other.

They are in a folder beside the database, which only the user can read, and are removed after a day.
"""

from __future__ import annotations

import contextlib
import os
import re
import time
from pathlib import Path
from typing import Final

from msgspec import UNSET

from tenets_session_server.errors import ContextNotFoundError
from tenets_session_server.models.sessions import Session
from tenets_session_server.models.transfer import ExportedEntry
from tenets_session_server.storage import file_system, markdown
from tenets_session_server.storage.store import Store

SUFFIX: Final = ".shown"
LARGEST: Final = 1024 * 1024
"""Bytes of what is shown of a session or of a note; the rest is left out, and that is said."""
KEPT: Final = 24 * 3600.0
"""Seconds after which a file is removed."""
_REST: Final = "\n*There is more: run `tenets-session show` or `tenets-session export`.*\n"
_UNUSUAL: Final = re.compile(r"[^\w.-]+")


class ShownFiles:
    """The files of one database."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._folder = file_system.companion(store.database.path, SUFFIX)

    def remove_old(self) -> None:
        """Remove what nobody looks at any more."""
        with contextlib.suppress(OSError):
            for path in self._folder.iterdir():
                if time.time() - path.stat().st_mtime > KEPT:
                    path.unlink()

    def note(self, entry_id: int) -> Path:
        """Write a note; return its file. Raises :class:`ContextNotFoundError` and OSError."""
        found = self._store.context.piece(entry_id, 0, LARGEST)
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
        text = markdown.of_entry(entry).lstrip("\n")
        rest = "" if found.next_offset is None else _REST
        return self._write(f"note-{entry_id}.md", text + rest)

    def session(self, session: Session) -> Path:
        """Write a session; return its file. Raises a ``DatabaseError`` and OSError."""
        pieces, size = list[bytes](), 0
        for piece in self._store.exporter.markdown([session.id]):
            if size + len(piece) > LARGEST:
                pieces.append(_REST.encode())
                break
            pieces.append(piece)
            size += len(piece)
        name = _UNUSUAL.sub("-", session.name)[:60].strip("-.")
        return self._write(f"{name}-{session.id}.md", b"".join(pieces).decode())

    def _write(self, name: str, text: str) -> Path:
        self._folder.mkdir(mode=0o700, exist_ok=True)
        path = self._folder / name
        unfinished = path.with_name(f"{name}.{os.getpid()}")
        unfinished.unlink(missing_ok=True)
        file = os.open(unfinished, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        with os.fdopen(file, "w", encoding="utf-8") as opened:
            opened.write(text)
        unfinished.replace(path)
        return path
