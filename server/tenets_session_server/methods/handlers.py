"""What each ``tenets/session.*`` method does: one call into storage, and its result on the wire."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from tenets_session_server import __version__
from tenets_session_server.methods import messages as m
from tenets_session_server.rpc.slices import Sliced, after_slices

if TYPE_CHECKING:
    from tenets_session_server.rpc.server import SessionServer


def create(ls: SessionServer, params: m.CreateParams) -> m.Session:
    """Create a session; a taken name is ``sessionExists``."""
    return m.Session.of(
        ls.sessions.create(params.name, bytes(params.metadata), active=params.active)
    )


def get(ls: SessionServer, params: m.NameParams) -> m.Session | None:
    """Return the session of this name, or null."""
    found = ls.sessions.get(params.name)
    return m.Session.of(found) if found else None


def list_sessions(ls: SessionServer, params: m.ListParams) -> m.SessionList:
    """Return a page of sessions, newest `createdAt` first."""
    page = ls.sessions.page(
        limit=params.limit,
        cursor=params.cursor,
        active=params.active,
        name_prefix=params.name_prefix,
        order=params.order,
        include_context_count=params.include_context_count,
    )
    return m.SessionList.of(page)


def get_active(ls: SessionServer, _params: m.NoParams) -> m.Session | None:
    """Return the active session, or null."""
    found = ls.sessions.get_active()
    return m.Session.of(found) if found else None


def set_active(ls: SessionServer, params: m.SetActiveParams) -> m.Session:
    """Activate a session, which deactivates every other, or deactivate it."""
    return m.Session.of(ls.sessions.set_active(params.name, params.active))


def update_metadata(ls: SessionServer, params: m.UpdateMetadataParams) -> m.Session:
    """Merge members into the top level of a session's metadata; null is stored as null."""
    return m.Session.of(ls.sessions.update_metadata(params.name, bytes(params.updates)))


def add_context(ls: SessionServer, params: m.AddContextParams) -> m.AddedContext:
    """Append an entry to a session, which is created where it is missing."""
    stored, created = ls.sessions.add_context(params.session_name, params.kind, params.content)
    return m.AddedContext.of(stored, session_created=created)


def delete(ls: SessionServer, params: m.DeleteParams) -> m.Deleted | Sliced[m.Deleted]:
    """Delete a session, and its context unless told otherwise."""
    deleted = ls.sessions.delete(params.name, purge_context=params.purge_context)
    return after_slices(m.Deleted(deleted), ls.sessions.purge_some)


def changes(ls: SessionServer, params: m.ChangesParams) -> m.ChangeList:
    """Return what was committed after a revision; too long ago is `revisionExpired`."""
    return m.ChangeList.of(ls.session_db.feed.since(params.since, params.limit))


def stats(ls: SessionServer, _params: m.NoParams) -> m.Stats:
    """Return how much there is, and who has it open."""
    totals = ls.session_db.totals()
    database = ls.session_db.db
    return m.Stats(
        sessions=totals.sessions,
        context_entries=totals.context_entries,
        revision=totals.revision,
        database=database.name,
        database_bytes=totals.database_bytes,
        log_bytes=totals.log_bytes,
        engine=database.engine,
        version=__version__,
        pid=os.getpid(),
        clients=ls.hub.describe_clients(ls.protocol),
    )


def delete_all(
    ls: SessionServer, params: m.DeleteAllParams
) -> m.DeletedCount | Sliced[m.DeletedCount]:
    """Delete every session, and all context unless told otherwise."""
    count = ls.sessions.delete_all(purge_context=params.purge_context)
    return after_slices(m.DeletedCount(count), ls.sessions.purge_some)
