"""What a list of context entries has in it, and the SQL that finds it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from tenets_session_server.storage import cursors
from tenets_session_server.storage.hidden_context import VISIBLE

Order = Literal["oldest", "newest"]


NEARLY: Final = "{0} COLLATE NOCASE IN (SELECT value FROM json_each(:places))"
"""SQL for whether a column is one of the places, but for their case."""
DIRECTIONS: Final[dict[Order, str]] = {"oldest": "ASC", "newest": "DESC"}


@dataclass(frozen=True, slots=True)
class ContextListing:
    """Which entries are in a list, and in which order.

    Those of a session (its id), those of ``ids``, or of all; and of them those of a ``kind``, of an
    ``author``, and located in the file ``uri``.
    """

    session: int | None = None
    ids: list[int] | None = None
    kind: str | None = None
    author: str | None = None
    uri: str | None = None
    order: Order = "oldest"
    include_content: bool = True

    def scope(self) -> int:
        """Return what the cursors of the list have in common."""
        return cursors.scope(
            "listContext",
            self.session,
            repr(self.ids),
            self.kind,
            self.author,
            self.uri,
            self.order,
        )

    def statement(self, *, hidden: bool) -> str:
        """Return the SQL that finds the entries of a page: their ids, and whether they match."""
        where = [f"c.id {'<=' if self.order == 'newest' else '>='} :start"]
        if self.session is not None:
            where.append("c.session_id = :session")
        if self.ids is not None:
            where.append("c.id IN (SELECT value FROM json_each(:ids))")
        if self.uri is not None:
            where.append(f"c.id IN ({_located('place')} UNION ALL {_located('resolved_place')})")
        matches = ["c.kind = :kind"] if self.kind is not None else []
        if hidden:
            matches.append(VISIBLE)
        if self.author is not None:
            matches.append("(SELECT author FROM session_server_entries WHERE id = c.id) IS :author")
        return (
            f"SELECT c.id, {' AND '.join(matches) or 1} FROM session_context AS c"
            f" WHERE {' AND '.join(where)} ORDER BY c.id {DIRECTIONS[self.order]} LIMIT :rows"
        )


def _located(column: str) -> str:
    return (
        f"SELECT id FROM session_server_entries WHERE {NEARLY.format(column)}"
        f" AND {column} IN (SELECT value FROM json_each(:same))"
    )
