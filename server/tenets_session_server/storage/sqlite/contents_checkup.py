"""Looks at what is in a database: whether it can be used, and whether all of it is sound.

Nothing is changed, except by a finding's ``fix``. A gigabyte takes some seconds.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import apsw

from tenets_session_server.config import CacheConfig, TenetsConfig
from tenets_session_server.errors import DatabaseBusyError, DatabaseError
from tenets_session_server.storage.findings import Finding
from tenets_session_server.storage.sqlite import (
    backups,
    explanations,
    file_system,
    migrations,
    recovery,
    settings,
)
from tenets_session_server.storage.sqlite.backups import Contents, Progress
from tenets_session_server.storage.sqlite.damage import ALL_TABLES, SEARCH_INDEX, faults
from tenets_session_server.storage.sqlite.store import SQLiteStore

FUTURE: Final = timedelta(minutes=5)
"""How far behind the newest note the clock may be."""
FEED: Final = 0.1
"""Seconds of one transaction that makes the search index anew."""


class ContentsCheckup:
    """The checks of what is in a database; the arguments are those of :class:`.checkup.Checkup`.

    ``kept_backups`` is what the user has set, None if that cannot be read.
    """

    def __init__(self, path: Path, reason: str, *, named: bool, progress: Progress) -> None:
        self.kept_backups: int | None = None
        self._path, self._reason, self._named = path, reason, named
        self._name = file_system.readable_name(path)
        self._progress = progress
        self._recover = f"run: {explanations.recover_command(path, named=named)}"

    def run(self) -> Iterator[Finding]:
        """Yield what is found."""
        if recovery.is_of_another_program(self._path):
            says = f"{self._name} is the database of another program"
            todo = "move it away, or name another file with --database"
            yield Finding("database", "problem", says, todo)
            return
        try:
            problem, todo = recovery.problem_of(self._path), self._recover
        except DatabaseError as error:
            problem, todo = str(error), "see what is said about the place and the disk space"
            if isinstance(error, DatabaseBusyError):
                todo = "end the other program"
        if problem is not None:
            yield Finding("database", "problem", f"{self._name} cannot be used: {problem}", todo)
            return
        if not file_system.size(self._path):
            yield Finding("database", "ok", f"{self._name} ({self._reason}) is empty")
            return
        with backups.opened(self._path) as connection:
            found, size = backups.contents(connection), file_system.size(self._path)
            says = (
                f"{self._name} ({self._reason}): sessions: {found.sessions}, notes:"
                f" {found.entries}, bytes: {size:,}"
            )
            yield Finding("database", "ok", says)
            yield from self._integrity(connection, size)
            yield self._triggers(connection)
            yield _clock(found)
            self.kept_backups = settings.kept_backups(connection)

    @contextlib.contextmanager
    def store(self) -> Iterator[SQLiteStore]:
        """Give the block the database to write to. Raises a ``DatabaseError``."""
        cache = CacheConfig(self._path.parent)
        config = TenetsConfig(cache, self._path if self._named else None)
        with closing(SQLiteStore(config)) as store:
            store.database.open()
            yield store

    def _integrity(self, connection: apsw.Connection, size: int) -> Iterator[Finding]:
        """Check one table after the other, so that no long read keeps the log from shrinking."""
        wrong: list[str] = []
        odd: list[str] = []
        of_index: list[str] = []
        tables = [
            str(row[0]) for row in connection.execute(f"{ALL_TABLES} ORDER BY name").fetchall()
        ]
        for number, table in enumerate(tables):
            self._progress(size * number // len(tables), size)
            quoted = table.replace("'", "''")
            try:
                rows = connection.execute(f"PRAGMA integrity_check('{quoted}')").fetchall()
                found = [str(row[0]) for row in rows if row[0] != "ok"]
            except apsw.Error as error:
                found = [str(error)]
            if table.startswith(SEARCH_INDEX):
                of_index += found
            else:
                wrong += faults(found)
                odd += found
        self._progress(size, size)
        if wrong:
            says = f"{len(wrong)} faults, the first: {wrong[0]}"
            yield Finding("integrity", "problem", says, self._recover)
        elif odd:
            says = f"sound, but another program has stored odd values: {odd[0]}"
            yield Finding("integrity", "note", says, "nothing; they are shown as well as possible")
        else:
            yield Finding("integrity", "ok", "all tables are sound")
        yield self._search_index(of_index)

    def _search_index(self, found: list[str]) -> Finding:
        if not found:
            return Finding("search index", "ok", "it is sound")

        def fix() -> str:
            with self.store() as store:
                store.search_index.make_anew()
                while store.search_index.feed(FEED):
                    pass
            return "it was made anew"

        says = f"it is damaged ({found[0]}); notes are not affected, but may not be found"
        return Finding("search index", "problem", says, "run: tenets-session doctor --fix", fix)

    def _triggers(self, connection: apsw.Connection) -> Finding:
        if migrations.missing_steps(connection):
            says = "not all are there yet: this version has not opened the file"
            return Finding("triggers and indexes", "ok", says)
        missing = migrations.missing_parts(connection)
        indexes = migrations.missing_indexes(connection)
        if not missing and not indexes:
            return Finding("triggers and indexes", "ok", "all are there")

        def fix() -> str:
            with self.store() as store:
                for statement in indexes.values():
                    with store.database.transaction():
                        store.database.run(statement)
                return "they were put back"

        says = f"missing, or of another version: {', '.join([*missing, *indexes])}"
        todo = "run: tenets-session doctor --fix"
        return Finding("triggers and indexes", "problem", says, todo, fix)


def _clock(found: Contents) -> Finding:
    now = datetime.now(UTC)
    if found.newest is not None and datetime.fromisoformat(found.newest) > now + FUTURE:
        says = f"the newest note is from {found.newest}, and the clock says {now:%Y-%m-%d %H:%M}"
        return Finding("clock", "note", says, "set the clock of this machine")
    return Finding("clock", "ok", f"{now:%Y-%m-%d %H:%M} UTC")
