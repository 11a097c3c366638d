"""How much there is, and who has it open."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta, Struct, to_builtins

from tenets_session_server.models.types import NewestRevision, StateText


class Totals(Struct, rename="camel", frozen=True):
    """How much there is at one moment; file sizes are in bytes, and read separately."""

    sessions: Annotated[int, Meta(description="number of sessions")]
    context_entries: Annotated[
        int,
        Meta(
            description="number of context entries; those of a deleted session count until removed"
        ),
    ]
    revision: NewestRevision
    state: StateText
    database: Annotated[str, Meta(description="absolute path of the file")]
    database_bytes: Annotated[int, Meta(description="size of the file")]
    log_bytes: Annotated[int, Meta(description="size of its write-ahead log")]
    engine: Annotated[str, Meta(description='what reads and writes it, as "SQLite 3.51.3"')]


class AttachedClient(Struct, rename="camel", frozen=True):
    """An editor that is being served."""

    name: Annotated[str | None, Meta(description="`clientInfo.name`, or null")]
    version: Annotated[str | None, Meta(description="`clientInfo.version`, or null")]
    process_id: Annotated[int | None, Meta(description="`processId` of `initialize`, or null")]
    pid: Annotated[int, Meta(description="process id of the command that the client started")]
    connected_at: Annotated[str, Meta(description="when it connected, RFC 3339")]
    you: Annotated[bool, Meta(description="true for the client that sent this request")] = False

    def plain(self) -> dict[str, Any]:
        """Return the same as plain values, by the names on the wire."""
        return to_builtins(self)  # type: ignore[no-any-return]
