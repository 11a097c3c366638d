"""The operations on a database, by subject, whichever engine has it.

An operation is one call, and it is atomic. It may raise a ``DatabaseError``; then nothing has
happened, unless it is an ``OutcomeUnknownError``. What else it does and raises is described where
it is implemented first: the class of the same name in :mod:`.sqlite`.
"""

from __future__ import annotations

from collections.abc import Collection, Generator, Iterable, Sequence
from typing import Literal, Protocol

from tenets_session_server.models.context import (
    AddedContext,
    ContextList,
    ContextPiece,
    LocatedContext,
    RemovedContext,
    WrittenContext,
)
from tenets_session_server.models.search import SearchResult
from tenets_session_server.models.sessions import (
    BindingList,
    CreatedSession,
    CurrentResult,
    Deleted,
    DeletedCount,
    Order,
    ReplacedSession,
    SessionList,
    SessionResult,
)
from tenets_session_server.models.transfer import Imported, OnConflict
from tenets_session_server.models.trash import Emptied, Restored, TrashList
from tenets_session_server.storage.context_listing import ContextListing
from tenets_session_server.storage.context_locations import Location
from tenets_session_server.storage.search_query import Scope
from tenets_session_server.storage.steps import Steps


class Sessions(Protocol):
    """Operations on sessions. One is named by its name, its id, or both."""

    def create(
        self,
        name: str,
        metadata_text: bytes = ...,
        *,
        active: bool = False,
        or_return: bool = False,
        or_else: str | None = None,
    ) -> CreatedSession:
        """Create a session."""

    def get(self, name: str | None, session_id: int | None = None) -> SessionResult | None:
        """Return a session, None if there is none."""

    def require(self, name: str | None, session_id: int | None = None) -> SessionResult:
        """Return a session; raises ``SessionNotFoundError`` if there is none."""

    def id_of(self, name: str | None, session_id: int | None) -> int:
        """Return the id of a session; raises ``SessionNotFoundError`` if there is none."""

    def get_active(self) -> SessionResult | None:
        """Return the active session, None if there is none."""

    def page(
        self,
        *,
        limit: int = 100,
        cursor: str | None = None,
        active: bool | None = None,
        name_prefix: str | None = None,
        order: Order = "newest",
        include_context_count: bool = False,
        include_metadata: bool = True,
    ) -> SessionList:
        """Return a page of the list of sessions."""

    def set_active(
        self, name: str | None, active: bool = True, session_id: int | None = None
    ) -> SessionResult:
        """Activate or deactivate a session."""

    def update_metadata(
        self,
        name: str | None,
        updates: bytes,
        *,
        session_id: int | None = None,
        remove: Collection[str] = (),
        if_state: str | None = None,
    ) -> SessionResult:
        """Merge members into the metadata of a session."""

    def rename(
        self,
        name: str | None,
        new_name: str,
        *,
        session_id: int | None = None,
        if_state: str | None = None,
    ) -> SessionResult:
        """Give a session another name."""


class Switching(Protocol):
    """Operations on which session is active."""

    def activate_previous(self) -> SessionResult:
        """Activate the session that was active most recently, besides the one that is."""

    def resume(
        self, name: str | None = None, session_id: int | None = None, folder: str | None = None
    ) -> SessionResult:
        """Activate a session: by default the one that was active last."""

    def leave(
        self, name: str | None = None, session_id: int | None = None, folder: str | None = None
    ) -> SessionResult:
        """Deactivate a session: by default the active one."""

    def leave_active(self) -> SessionResult | None:
        """Deactivate the active session; return None if there is none."""


class WholeSessions(Protocol):
    """Operations on a session with its context."""

    def copy(
        self,
        name: str | None,
        new_name: str,
        *,
        session_id: int | None = None,
        overwrite: bool = False,
        include_context: bool = True,
        active: bool = False,
        if_state: str | None = None,
    ) -> ReplacedSession:
        """Create a session like another one."""

    def reset(
        self, name: str | None, *, session_id: int | None = None, if_state: str | None = None
    ) -> ReplacedSession:
        """Remove a session's context, and activate it."""

    def delete(
        self,
        name: str | None,
        *,
        session_id: int | None = None,
        purge_context: bool = True,
        if_state: str | None = None,
    ) -> Deleted:
        """Move a session to the trash."""

    def delete_all(self, *, purge_context: bool = True) -> DeletedCount:
        """Move all sessions to the trash."""


class Context(Protocol):
    """Operations on context entries."""

    def add(
        self,
        session_name: str | None,
        kind: str,
        content: str,
        *,
        session_id: int | None = None,
        folder: str | None = None,
        location: Location | None = None,
        identity_key: str | None = None,
        replace: bool = False,
        check_name: bool = False,
    ) -> AddedContext:
        """Append an entry."""

    def update(
        self,
        entry_id: int,
        *,
        kind: str | None = None,
        content: str | None = None,
        location: Location | None = None,
        if_state: str | None = None,
    ) -> WrittenContext:
        """Change an entry."""

    def remove(self, entry_id: int, *, if_state: str | None = None) -> RemovedContext:
        """Move an entry to the trash."""

    def page(
        self, listing: ContextListing, limit: int = 100, cursor: str | None = None
    ) -> ContextList:
        """Return a page of entries."""

    def piece(self, entry_id: int, offset: int, size: int) -> ContextPiece | None:
        """Return an entry with a piece of its content."""

    def locate(
        self,
        uri: str,
        text: str | None,
        session_name: str | None = None,
        session_id: int | None = None,
    ) -> Steps[LocatedContext]:
        """Return where the entries of a file are in its text."""


class Workspace(Protocol):
    """Operations on folders, and on the files of a session."""

    def current(self, folder: str | None) -> CurrentResult:
        """Return the session that a folder shows."""

    def bind(
        self, name: str | None, folder: str, *, session_id: int | None = None
    ) -> CurrentResult:
        """Bind a folder to a session, or not any more."""

    def bindings(self) -> BindingList:
        """Return all bindings."""

    def pin(
        self,
        name: str | None,
        uri: str,
        *,
        session_id: int | None = None,
        folder: str | None = None,
        pinned: bool = True,
    ) -> SessionResult:
        """Add a file to a session's pinned files, or remove it."""


class Search(Protocol):
    """Operations that search."""

    def search(self, text: str, scope: Scope, limit: int) -> SearchResult:
        """Return the best hits."""


class Trash(Protocol):
    """Operations on what was deleted."""

    def page(self, limit: int = 100, cursor: str | None = None) -> TrashList:
        """Return a page of items, newest first."""

    def empty(self, trash_id: int | None = None) -> Emptied:
        """Remove an item, or all of them, for good."""


class Restorer(Protocol):
    """The operation that undoes."""

    def restore(
        self, trash_id: int, new_name: str | None = None, *, replace: bool = False
    ) -> Restored:
        """Bring an item of the trash back."""


class Exporter(Protocol):
    """Operations that export; a stream has the state of the moment when it is begun."""

    def text(
        self,
        form: Literal["json", "markdown"],
        names: Sequence[str] | None,
        session_ids: Sequence[int] | None,
        *,
        raw: bool,
        most: int,
    ) -> Steps[str]:
        """Return sessions as one text."""

    def json(self, ids: Sequence[int] | None = None) -> Generator[bytes, None, None]:
        """Yield sessions as JSON."""

    def markdown(
        self, ids: Sequence[int] | None = None, *, raw: bool = False
    ) -> Generator[bytes, None, None]:
        """Yield sessions as Markdown."""


class Importer(Protocol):
    """Operations that import."""

    def run(self, chunks: Iterable[bytes], on_conflict: OnConflict = "error") -> Imported:
        """Import a document."""

    def steps(
        self,
        chunks: Iterable[bytes],
        on_conflict: OnConflict = "error",
        most_sessions: int | None = None,
    ) -> Steps[Imported]:
        """Import a document in steps."""
