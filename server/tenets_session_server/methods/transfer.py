"""Methods that export and import sessions."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from msgspec import Meta

from tenets_session_server.methods.method import CallContext, method
from tenets_session_server.methods.params import Content, Flag, Name, Params, SessionId
from tenets_session_server.models.transfer import Exported, Imported, OnConflict
from tenets_session_server.storage.steps import Steps

LARGEST_EXPORT: Final = 16 * 1024 * 1024 - 64 * 1024
"""Bytes of the text as a JSON string: what fits into a message, and can be sent back in one."""
MOST: Final = 1000
MOST_SESSIONS: Final = 10_000
"""Sessions of a document: making them visible is one step, which takes 0.2 s."""


class ExportParams(Params, frozen=True):
    """Params of ``export``."""

    names: (
        Annotated[list[Name], Meta(max_length=MOST, description=f"at most {MOST} names")] | None
    ) = None
    session_ids: (
        Annotated[list[SessionId], Meta(max_length=MOST, description=f"at most {MOST} ids")] | None
    ) = None
    format: Annotated[Literal["json", "markdown"], Meta(description='"json" or "markdown"')] = (
        "json"
    )
    raw: Flag = False


@method(
    "export",
    ExportParams,
    Exported,
    {"names": ["fix login"]},
    {"names": ["fix login"], "format": "markdown"},
    in_steps=True,
)
def export(call: CallContext, params: ExportParams) -> Steps[Exported]:
    """Return sessions, by default all of them, as a text."""
    text = yield from call.store.exporter.text(
        params.format, params.names, params.session_ids, raw=params.raw, most=LARGEST_EXPORT
    )
    return Exported(text)


class ImportParams(Params, frozen=True, kw_only=True):
    """Params of ``import``."""

    content: Content
    on_conflict: Annotated[
        OnConflict,
        Meta(description='"error", "skip", "rename" or "overwrite"'),
    ] = "error"


@method(
    "import",
    ImportParams,
    Imported,
    {
        "content": '{"format": "tenets-sessions", "version": 1, "sessions": [{"name": "fix login",'
        ' "createdAt": "2026-11-20T08:00:00+00:00", "metadata": {"issue": 4711}, "context":'
        ' [{"kind": "note", "content": "See the log.", "createdAt": "2026-11-20T08:05:00+00:00",'
        ' "author": "Ada"}]}]}',
        "onConflict": "rename",
    },
    {"content": '{"format": "tenets-sessions", "version": 1, "sessions": [{"name": 7}]}'},
    writes=True,
    in_steps=True,
)
def import_sessions(call: CallContext, params: ImportParams) -> Steps[Imported]:
    """Import what was exported as JSON: all of it, or nothing."""
    content = params.content.encode("utf-8")
    return call.store.importer.steps([content], params.on_conflict, MOST_SESSIONS)
