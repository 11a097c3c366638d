"""The change feed: what was committed to the file, in order, by whichever program.

Triggers write down every change within its own transaction (see :mod:`.schema`), so nothing is
told before it is committed, and nothing that is committed goes untold. The key of those rows is the
*revision*. Everything here only reads, but for :meth:`Feed.resume`.
"""

from __future__ import annotations

import contextlib
from typing import Any, Final

from tenets_session_server.errors import DatabaseReadOnlyError, RevisionExpiredError
from tenets_session_server.models import Change, ChangePage, News
from tenets_session_server.storage.database import Database
from tenets_session_server.storage.sessions import SessionStore

_NEWEST: Final = "SELECT max(revision) FROM session_server_changes"
# Where no change is kept. A row comes with the first change, and stays.
_LAST: Final = "SELECT seq FROM sqlite_sequence WHERE name = 'session_server_changes'"
_OLDEST: Final = "SELECT min(revision) FROM session_server_changes"
_AFTER: Final = """SELECT revision, type, session_id, CAST(session_name AS BLOB), context_id
    FROM session_server_changes WHERE revision > ? ORDER BY revision LIMIT ?"""
_EVERYTHING: Final = -1  # as a LIMIT


class Feed:
    """The changes of one database, for any number of readers.

    All methods raise the ``DatabaseError`` that fits where the file cannot be read.
    """

    def __init__(self, database: Database, sessions: SessionStore) -> None:
        self._database = database
        self._sessions = sessions
        self._seen: tuple[int, int] | None = None  # which opening, and its data version
        self._last: tuple[int, News] | None = None  # which opening, and its newest news

    def revision(self) -> int:
        """Return the number of the newest committed change, 0 where there was none yet."""
        newest: int | None = self._database.run(_NEWEST)[0][0]
        if newest is not None:
            return newest
        last = self._database.run(_LAST)
        return int(last[0][0]) if last else 0

    def since(self, revision: int, limit: int) -> ChangePage:
        """Return at most ``limit`` changes after ``revision``.

        Raises :class:`RevisionExpiredError` where some of them are not kept any more, or where the
        file has never had that revision.
        """
        with self._database.snapshot():
            head, oldest = self._range()
            if not oldest - 1 <= revision <= head:
                raise RevisionExpiredError(oldest)
            changes = self._after(revision, limit + 1)
        return ChangePage(changes[:limit], head, truncated=len(changes) > limit)

    def news(self, revision: int) -> News | None:
        """Return everything after ``revision``, with the active session; None where that is none.

        Of changes that are not all kept the ones that are come, and ``incomplete`` is set.
        """
        news = self._news_of_context(revision) or self._any_news(revision)
        if news is not None:
            self._last = (self._database.opened, news)
        return news

    def _news_of_context(self, revision: int) -> News | None:
        """Return news that leave the sessions as they were in the last news; None for others.

        That is what most news are, and one statement instead of a snapshot.
        """
        if self._last is None or self._last[1].revision != revision:
            return None
        changes = self._after(revision, _EVERYTHING)
        opened, last = self._last
        if opened != self._database.opened or not changes:
            return None
        if changes[0].revision != revision + 1 or any(c.context_id is None for c in changes):
            return None
        return News(changes[-1].revision, changes, last.active, incomplete=False)

    def _any_news(self, revision: int) -> News | None:
        with self._database.snapshot():
            changes = self._after(revision, _EVERYTHING)
            # Revisions are consecutive but where some are not kept or the file is another one.
            incomplete = not changes or changes[0].revision != revision + 1
            head = self.revision() if incomplete else changes[-1].revision
            if head == revision:
                return None
            return News(head, changes, self._sessions.get_active(), incomplete)

    def resume(self, revision: int) -> News:
        """Return what to tell those who know ``revision`` of what may be another file by now.

        Its changes do not tell what is different, and its revisions may be lower. Then they are
        made to go on above ``revision``: what is told must only ever grow. (In a file that may not
        be written they stay lower, and what is committed there is told once it is above.)
        """
        if self.revision() <= revision != 0:
            with contextlib.suppress(DatabaseReadOnlyError), self._database.transaction():
                if self.revision() <= revision:
                    self._database.run("DELETE FROM session_server_changes")
                    self._database.run(
                        "DELETE FROM sqlite_sequence WHERE name = 'session_server_changes'"
                    )
                    self._database.run(
                        "INSERT INTO sqlite_sequence (name, seq)"
                        " VALUES ('session_server_changes', ?)",
                        (revision + 1,),
                    )
        with self._database.snapshot():
            return News(self.revision(), [], self._sessions.get_active(), incomplete=True)

    def moved_on(self) -> bool:
        """Tell whether another connection has committed since the last call; costs 3 us."""
        version = (self._database.opened, self._database.run("PRAGMA data_version")[0][0])
        seen, self._seen = self._seen, version
        return version != seen

    def _range(self) -> tuple[int, int]:
        """Return the newest revision and the oldest one that is kept (or would be)."""
        head = self.revision()
        oldest: int | None = self._database.run(_OLDEST)[0][0]
        return head, head + 1 if oldest is None else oldest

    def _after(self, revision: int, limit: int) -> list[Change]:
        return [_change(row) for row in self._database.run(_AFTER, (revision, limit))]


def _change(row: tuple[Any, ...]) -> Change:
    return Change(
        revision=row[0],
        type=row[1],
        session_id=row[2],
        session_name=(row[3] or b"").decode("utf-8", "replace"),
        context_id=row[4],
    )
