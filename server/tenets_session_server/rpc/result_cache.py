"""Results of reads, encoded, for as long as nothing is committed: by anybody, to the same file.

Windows ask for the same things, and all of them again after each change. What has been answered
once is answered from here until :meth:`Database.version` is another one, which costs less than any
query.
"""

from __future__ import annotations

from typing import Final

from msgspec import Raw

from tenets_session_server.storage.database import Database

KEPT_BYTES: Final = 4 * 1024 * 1024
"""With this much, everything is forgotten: more than any number of windows asks for again."""
OVERHEAD: Final = 300
"""Bytes that an entry takes beside its text."""
LARGEST: Final = KEPT_BYTES // 4
"""Larger results are not kept."""

Key = tuple[str, bytes]
"""A method, and the text of its params."""


class Results:
    """The results on one database, for all of its clients."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._version: tuple[int, int, int] | None = None
        self._encoded: dict[Key, Raw] = {}
        self._size = 0
        self._certain = False

    def doubt(self) -> None:
        """Look at the database before the next result is given.

        To be called when requests have arrived, once for all of them: what held after they came is
        a good answer to each. And when anything else was read, as that may be newer.
        """
        self._certain = False

    def get(self, key: Key) -> Raw | None:
        """Return the result, None where it has to be asked for. Raises ``DatabaseError``."""
        version = self._version
        if version is None or not self._certain or version[1] != self._database.commits:
            version = self._database.version()
            if version != self._version:
                self._forget()
                self._version = version
            self._certain = True
        return self._encoded.get(key)

    def put(self, key: Key, encoded: Raw) -> None:
        """Keep a result that was asked for after :meth:`get` had none."""
        size = len(encoded) + len(key[1]) + OVERHEAD
        if size > LARGEST:
            return
        if self._size + size > KEPT_BYTES:
            self._forget()
        self._encoded[key] = encoded
        self._size += size

    def _forget(self) -> None:
        self._encoded.clear()
        self._size = 0
