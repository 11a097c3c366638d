"""What differs between a database and the one that would replace it."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import apsw
from msgspec import Struct

from tenets_session_server.storage.sqlite import backups, file_system
from tenets_session_server.storage.sqlite.hidden_context import visible

SHOWN_NAMES: Final = 10
"""Names of a difference that are listed."""


class Difference(Struct, frozen=True, rename="camel"):
    """What would be another after a recovery: numbers, and the names of some of the sessions."""

    lost_sessions: int
    lost_names: list[str]
    lost_entries: int
    gained_sessions: int
    gained_names: list[str]
    gained_entries: int
    changed_entries: int


def is_same_state(one: Path, other: Path) -> bool:
    """Tell whether two databases have the same history, so that nothing differs."""
    with backups.opened(one) as first, backups.opened(other) as second:
        state = backups.state(first)
        return state is not None and state == backups.state(second)


def difference(now: Path, then: Path) -> Difference:
    """Return what differs between a database and the one that would replace it.

    Raises a ``DatabaseError`` if one of them cannot be read.
    """
    with backups.opened(then) as connection:
        connection.execute("ATTACH ? AS now", (file_system.sqlite_name(now),))

        def count(sql: str) -> int:
            return int(connection.execute(f"SELECT count(*) FROM {sql}").get or 0)

        def sessions(table: str, other: str) -> tuple[int, list[str]]:
            missing = f"""{table}.sessions AS s WHERE NOT EXISTS
                (SELECT 1 FROM {other}.sessions AS o WHERE o.name = s.name)"""
            names = connection.execute(
                f"SELECT CAST(s.name AS BLOB) FROM {missing} ORDER BY s.id DESC LIMIT {SHOWN_NAMES}"
            )
            shown = [str(bytes(name), "utf-8", "replace") for (name,) in names.fetchall()]  # type: ignore[arg-type]
            return count(missing), shown

        def entries(table: str, other: str, condition: str) -> int:
            return count(
                f"""{table}.session_context AS c WHERE {_visible(connection, table, "c")}
                AND {condition} (SELECT 1 FROM {other}.session_context AS o
                    WHERE o.id = c.id AND o.created_at IS c.created_at
                    {"AND o.content IS NOT c.content" if condition == "EXISTS" else ""}
                    AND {_visible(connection, other, "o")})"""
            )

        lost, lost_names = sessions("now", "main")
        gained, gained_names = sessions("main", "now")
        return Difference(
            lost,
            lost_names,
            entries("now", "main", "NOT EXISTS"),
            gained,
            gained_names,
            entries("main", "now", "NOT EXISTS"),
            entries("now", "main", "EXISTS"),
        )


def _visible(connection: apsw.Connection, schema: str, alias: str) -> str:
    """Return SQL for whether an entry is there for a reader."""
    if not connection.table_exists(schema, "session_server_hidden"):
        return "1"
    return visible(alias, f"{schema}.")
