"""The context entries of sessions, one by one: they are added, changed and removed.

What upstream's table has no column for is in ``session_server_entries``, which has a row only for
entries that need one. Another program's entries have none.
"""

from __future__ import annotations

from typing import Any, Final

from msgspec import UNSET, Raw

from tenets_session_server.errors import (
    ChangeRefusedError,
    ContextNotFoundError,
)
from tenets_session_server.models.context import (
    AddedContext,
    ContextList,
    ContextPiece,
    LocatedContext,
    RemovedContext,
    WrittenContext,
)
from tenets_session_server.storage import previews, timestamps
from tenets_session_server.storage.context_listing import ContextListing
from tenets_session_server.storage.context_locations import (
    MOST_LOCATED,
    Location,
    locate,
    located_in,
)
from tenets_session_server.storage.sqlite import states
from tenets_session_server.storage.sqlite.context_pages import (
    read_members,
    read_page,
    read_piece,
)
from tenets_session_server.storage.sqlite.database import SWALLOWED, Database
from tenets_session_server.storage.sqlite.hidden_context import OWNERS, VISIBLE
from tenets_session_server.storage.sqlite.schema import CHANGES_KEPT, PRUNE_INTERVAL
from tenets_session_server.storage.sqlite.sessions import Sessions
from tenets_session_server.storage.sqlite.trash import Trash
from tenets_session_server.storage.sqlite.workspace import Workspace
from tenets_session_server.storage.steps import Steps

_INSERT_DETAILS: Final = """INSERT OR REPLACE INTO session_server_entries (id, author, identity_key,
    key_session_id, location, place, resolved_place) VALUES (?, ?, ?, ?, ?, ?, ?)"""
_WITH_KEY: Final = f"""SELECT e.id FROM session_server_entries AS e
    JOIN session_context AS c ON c.id = e.id
    WHERE e.key_session_id = ? AND e.identity_key = ? AND e.author IS ?
        AND c.session_id = e.key_session_id AND {VISIBLE} LIMIT 1"""
_EQUAL: Final = """SELECT (:kind IS NULL OR c.kind = :kind)
        AND (:content IS NULL OR c.content = :content)
        AND (NOT :move OR e.location IS :location)
    FROM session_context AS c LEFT JOIN session_server_entries AS e ON e.id = c.id
    WHERE c.id = :id"""
_SAME_BUT_ANCHOR: Final = """SELECT 1 FROM session_server_entries WHERE id = :id
    AND json_remove(location, '$.anchor') = json_remove(:location, '$.anchor')"""
_UPDATE: Final = """UPDATE session_context SET kind = coalesce(:kind, kind),
    content = coalesce(:content, content) WHERE id = :id"""
_UPDATE_DETAILS: Final = """INSERT INTO session_server_entries (id, updated_at) VALUES (:id, :now)
    ON CONFLICT (id) DO UPDATE SET updated_at = :now"""
_MOVE: Final = """UPDATE session_server_entries
    SET location = :location, place = :place, resolved_place = :resolved WHERE id = :id"""
_COPIED: Final = f"FROM session_context AS c WHERE c.session_id = :original AND {VISIBLE}"
_COPY: Final = f"""INSERT INTO session_context (session_id, kind, content, created_at)
    SELECT :copy, c.kind, c.content, c.created_at {_COPIED} ORDER BY c.id"""
# One statement gives consecutive ids.
_COPY_DETAILS: Final = f"""INSERT OR REPLACE INTO session_server_entries (id, author, updated_at,
        location, place, resolved_place, identity_key, key_session_id, imported_author)
    SELECT :last - copied.behind, e.author, e.updated_at, e.location, e.place, e.resolved_place,
        e.identity_key, CASE WHEN e.identity_key IS NOT NULL THEN :copy END, e.imported_author
    FROM (SELECT c.id, row_number() OVER (ORDER BY c.id DESC) - 1 AS behind {_COPIED}) AS copied
    JOIN session_server_entries AS e ON e.id = copied.id"""


_REPORT_ORPHANS: Final = f"""{OWNERS}
    INSERT INTO session_server_changes (type, session_id, context_id, token)
    SELECT 'contextRemoved', c.session_id, c.id, random()
        FROM owner CROSS JOIN session_context AS c ON c.session_id = owner.id
        WHERE owner.id NOT IN (SELECT id FROM sessions) AND {VISIBLE}
        LIMIT {CHANGES_KEPT + 2 * PRUNE_INTERVAL}"""
_NOWHERE: Final[dict[str, str | None]] = {"location": None, "place": None, "resolved": None}


class Context:
    """The context entries of one :class:`Database`; raises as :class:`~.sessions.Sessions` does."""

    def __init__(
        self, database: Database, sessions: Sessions, workspace: Workspace, trash: Trash
    ) -> None:
        self._database, self._sessions = database, sessions
        self._workspace, self._trash = workspace, trash

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
        """Append an entry, and create the session in the same transaction if it is missing.

        Without a name or an id it is the session that ``folder`` shows. If the same author has an
        entry with this ``identity_key`` in the session, that is returned instead, or with
        ``replace`` it takes the new kind, content and location. With ``check_name`` a new session
        gets a name as :func:`.names.checked` returns it, or :class:`InvalidArgumentError` is
        raised.
        """
        size = len(content) if content.isascii() else len(content.encode("utf-8"))
        place = _NOWHERE if location is None else location.columns()
        with self._database.transaction():
            if session_name is None and session_id is None:
                session_id = self._workspace.session_id(folder)
            session_id, session_name, created = self._sessions.find_or_create(
                session_name, session_id, check_name=check_name
            )
            author = self._database.author
            if identity_key is not None and not created:
                key = (session_id, identity_key, author)
                if rows := self._database.run(_WITH_KEY, key):
                    if replace:
                        self._change(rows[0][0], kind, content, location, move=True, again=True)
                    return AddedContext(
                        **self._written(rows[0][0]), session_created=False, duplicate=True
                    )
            now = timestamps.now()
            self._database.change(
                "INSERT INTO session_context (session_id, kind, content, created_at)"
                " VALUES (?, ?, ?, ?)",
                (session_id, kind, content, now),
            )
            entry_id = self._database.last_id
            if not self._database.run("SELECT 1 FROM session_context WHERE id = ?", (entry_id,)):
                raise ChangeRefusedError(SWALLOWED)
            if author is not None or identity_key is not None or location is not None:
                self._database.change(
                    _INSERT_DETAILS,
                    (
                        entry_id,
                        author,
                        identity_key,
                        None if identity_key is None else session_id,
                        *place.values(),
                    ),
                )
            state = states.newest(self._database)
        return AddedContext(
            id=entry_id,
            session_id=session_id,
            session_name=session_name,
            kind=kind,
            preview=previews.of(content),
            size=size,
            created_at=now,
            author=author,
            location=UNSET if location is None else Raw(location.text),
            session_created=created,
            duplicate=False,
            revision=state.revision,
            state=str(state),
        )

    def update(
        self,
        entry_id: int,
        *,
        kind: str | None = None,
        content: str | None = None,
        location: Location | None = None,
        if_state: str | None = None,
    ) -> WrittenContext:
        """Change what is given of an entry.

        Raises :class:`ContextNotFoundError`, and :class:`ConflictError` if it has changed after
        ``if_state``.
        """
        if location is not None:
            location.check()
        with self._database.transaction():
            if read_members(self._database, entry_id) is None:
                raise ContextNotFoundError(entry_id)
            self._check(entry_id, if_state)
            self._change(entry_id, kind, content, location, move=location is not None)
            return WrittenContext(**self._written(entry_id))

    def remove(self, entry_id: int, *, if_state: str | None = None) -> RemovedContext:
        """Move an entry to the trash. Raises :class:`ConflictError` as :meth:`update` does."""
        with self._database.transaction():
            found = read_members(self._database, entry_id)
            if found is None:
                return RemovedContext(removed=False)
            self._check(entry_id, if_state)
            trash_id = self._trash.keep_entry(entry_id, found["session_id"], found["size"])
            self._database.change("DELETE FROM session_context WHERE id = ?", (entry_id,))
            return RemovedContext(removed=True, trash_id=trash_id)

    def copy(self, original: int, copy: int) -> None:
        """Copy all entries of a session to another one, both given by their ids."""
        bindings = {"original": original, "copy": copy}
        self._database.run(_COPY, bindings)
        self._database.run(_COPY_DETAILS, {**bindings, "last": self._database.last_id})

    def report_removal_of_orphans(self) -> None:
        """Record the removal of all entries whose session is gone, before they are removed.

        More changes than are kept need not be recorded: then clients fetch everything anew.
        """
        self._database.run(_REPORT_ORPHANS)

    def page(
        self, listing: ContextListing, limit: int = 100, cursor: str | None = None
    ) -> ContextList:
        """Return a page of entries, see :func:`.context_pages.read_page`.

        Raises :class:`SessionNotFoundError` if there is no such session.
        """
        session_id = self._sessions.chosen_id(listing.session_name, listing.session_id)
        return read_page(self._database, listing, session_id, limit, cursor)

    def locate(
        self,
        uri: str,
        text: str | None,
        session_name: str | None = None,
        session_id: int | None = None,
    ) -> Steps[LocatedContext]:
        """Return where the entries of a file are, see :func:`.context_locations.locate`."""
        listing = located_in(uri, session_name, session_id)
        return locate(lambda: self.page(listing, MOST_LOCATED), text)

    def piece(self, entry_id: int, offset: int, size: int) -> ContextPiece | None:
        """Return an entry with a piece of its content, see :func:`.context_pages.read_piece`."""
        return read_piece(self._database, entry_id, offset, size)

    def _check(self, entry_id: int, if_state: str | None) -> None:
        states.require_unchanged(self._database, if_state, "context_id = ?", (entry_id,))

    def _change(
        self,
        entry_id: int,
        kind: str | None,
        content: str | None,
        location: Location | None,
        *,
        move: bool,
        again: bool = False,
    ) -> None:
        """Change an entry, unless it is already so; None leaves that part as it is.

        The location changes only with ``move``. One that is equal but for an anchor that the client
        did not give stays as it is, if there is no anchor now, or the same note is sent ``again``:
        the file may have changed meanwhile.
        """
        bindings: dict[str, Any] = {
            "id": entry_id,
            "kind": kind,
            "content": content,
            "now": timestamps.now(),
            **(_NOWHERE if location is None else location.columns()),
        }
        if (
            move
            and location is not None
            and (location.anchored_by == "nobody" or (again and location.anchored_by == "server"))
        ):
            move = not self._database.run(_SAME_BUT_ANCHOR, bindings)
        bindings["move"] = move
        if self._database.run(_EQUAL, bindings)[0][0]:
            return
        self._database.change(_UPDATE, bindings)  # also if it is only moved: this is recorded
        self._database.change(_UPDATE_DETAILS, bindings)
        if move:
            self._database.change(_MOVE, bindings)

    def _written(self, entry_id: int) -> dict[str, Any]:
        """Return the members of an entry that was written in this transaction, with the state."""
        members = read_members(self._database, entry_id)
        if members is None:
            raise ChangeRefusedError(SWALLOWED)
        state = states.newest(self._database)
        return {**members, "revision": state.revision, "state": str(state)}
