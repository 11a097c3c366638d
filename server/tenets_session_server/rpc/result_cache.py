"""Encoded results of reads, kept until anybody commits to the file.

Windows ask for the same pages, and all of them again after each change. A repeated request costs
one look at :meth:`Database.version`, which is less than any query of a page.
"""

from __future__ import annotations

from typing import Final

from msgspec import Raw

from tenets_session_server.storage.database import Database

MAXIMUM_BYTES: Final = 4 * 1024 * 1024
"""With more than this, everything is dropped: it is more than any number of windows repeats."""
OVERHEAD: Final = 300
"""Bytes that an entry takes beside its text."""
LARGEST: Final = MAXIMUM_BYTES // 4
"""Larger results are not kept."""

Key = tuple[str, bytes]
"""A method, and the text of its params."""


class ResultCache:
    """The results on one database, for all of its clients."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._version: tuple[int, int, int] | None = None
        self._results: dict[Key, Raw] = {}
        self._size = 0

    def get(self, key: Key) -> Raw | None:
        """Return the result, None where it has to be computed. Raises ``DatabaseError``."""
        version = self._database.version()
        if version != self._version:
            self._clear()
            self._version = version
        return self._results.get(key)

    def put(self, key: Key, result: Raw) -> None:
        """Keep a result that was computed after :meth:`get` had none."""
        size = len(result) + len(key[1]) + OVERHEAD
        if size > LARGEST:
            return
        if self._size + size > MAXIMUM_BYTES:
            self._clear()
        self._results[key] = result
        self._size += size

    def _clear(self) -> None:
        self._results.clear()
        self._size = 0
