"""What a folder shows of the sessions: its binding, else the active session; and pinned files."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from tenets_session_server.errors import InvalidArgumentError, SessionNotFoundError
from tenets_session_server.models.sessions import (
    Binding,
    BindingList,
    Current,
    CurrentResult,
    Session,
    SessionResult,
)
from tenets_session_server.storage import names, uris
from tenets_session_server.storage.metadata import PINNED
from tenets_session_server.storage.sqlite import states
from tenets_session_server.storage.sqlite.database import Database, Row
from tenets_session_server.storage.sqlite.schema import NO_SESSION
from tenets_session_server.storage.sqlite.sessions import Sessions
from tenets_session_server.storage.uris import Uri

_BINDINGS: Final = """SELECT folder, CAST(name AS BLOB) FROM session_server_bindings
    ORDER BY folder"""  # a rename by another program may have given a name that is no UTF-8
_AWAKE: Final = f"""SELECT b.folder, s.id, {states.COLUMNS} FROM session_server_bindings AS b
    CROSS JOIN sessions AS s ON s.name = b.name"""
_RECORD: Final = """INSERT INTO session_server_changes
    (type, session_id, session_name, folder, token) VALUES ('bound', ?, ?, ?, random())"""


class Awake:
    """The bindings that have a session, and which of them decides what a folder shows.

    ``state`` is the state in which they were read; None: ask for it. It holds as long as no session
    is created, renamed or deleted, and no folder bound. The links of a folder are looked at once.
    """

    def __init__(self, rows: list[Row]) -> None:
        self.state = states.of_row(rows[0][2:]) if rows and rows[0][2] is not None else None
        self._bindings: dict[Uri, tuple[str, int]] = {
            uris.parse(row[0], "folder"): (row[0], row[1]) for row in rows
        }
        self._folders = uris.Folders(self._bindings)

    def binding(self, folder: str) -> tuple[str, int] | None:
        """Return the bound folder that decides, as it was given, and the id of its session.

        Raises :class:`InvalidArgumentError`.
        """
        nearest = self._folders.nearest(uris.parse(folder, "folder"))
        return None if nearest is None else self._bindings[nearest]


class Workspace:
    """The folders of one :class:`Database`; raises as :class:`~.sessions.Sessions` does.

    A binding is to a name. It follows a rename, sleeps while no session has the name, and then
    decides nothing.
    """

    def __init__(self, database: Database, sessions: Sessions) -> None:
        self._database, self._sessions = database, sessions

    def current(self, folder: str | None) -> CurrentResult:
        """Return the session that a folder shows; None is a window without a folder.

        It is the one bound to the folder, or to the nearest folder that it is in, else the active
        session. Raises :class:`InvalidArgumentError` if it is neither a URI nor a path.
        """
        bound = None
        with self._database.snapshot():
            awake = self.awake()
            binding = None if folder is None else awake.binding(folder)
            if binding is None:
                session = self._sessions.active()
            else:
                bound, session_id = binding
                session = self._sessions.with_id(session_id)
            state = awake.state or states.newest(self._database)
        return CurrentResult(folder, session, bound, revision=state.revision, state=str(state))

    def currents(self, folders: Iterable[str], awake: Awake) -> list[Current] | None:
        """Return what each of several folders shows; None if no binding concerns any of them.

        ``awake`` is a result of :meth:`awake`. The metadata of a session is in the first of them.
        """
        found = [(folder, awake.binding(folder)) for folder in folders]
        if all(binding is None for _, binding in found):
            return None
        sessions: dict[int | None, Session | None] = {None: self._sessions.active()}
        result: list[Current] = []
        for folder, binding in found:
            bound, session_id = (None, None) if binding is None else binding
            if session_id not in sessions:
                sessions[session_id] = self._sessions.with_id(session_id or 0)
            session = sessions[session_id]
            result.append(Current(folder, session, bound))
            if session is not None:
                sessions[session_id] = session.without_metadata()
        return result

    def awake(self) -> Awake:
        """Return the bindings that have a session now."""
        return Awake(self._database.run(_AWAKE))

    def bind(
        self, name: str | None, folder: str, *, session_id: int | None = None
    ) -> CurrentResult:
        """Have a folder show the session of a name, or (neither name nor id) not any more.

        The name may be that of a session to come. Raises :class:`InvalidArgumentError` and
        :class:`SessionNotFoundError`.
        """
        place = uris.parse(folder, "folder")
        with self._database.transaction():
            session = None
            if name is not None or session_id is not None:
                session = self._sessions.get(name, session_id)
                if session is not None:
                    name = session.name
                    if self._sessions.named(name) is None:
                        raise InvalidArgumentError(
                            "sessionId",
                            "a session whose name is valid UTF-8, as a binding is to a name; rename"
                            " it first",
                        )
                elif name is None:
                    self._sessions.require(None, session_id)
                else:
                    name = names.checked(name)
            stored = self._same(place)
            before = None if stored is None else stored[1]
            folder_stored = folder if stored is None else stored[0]
            if name != before:
                if name is None:
                    sql = "DELETE FROM session_server_bindings WHERE folder = ?"
                    self._database.change(sql, (folder_stored,))
                else:
                    sql = "INSERT OR REPLACE INTO session_server_bindings VALUES (?, ?)"
                    self._database.change(sql, (folder_stored, name))
                session_or_none = NO_SESSION if session is None else session.id
                self._database.change(_RECORD, (session_or_none, name, folder_stored))
            return self.current(folder)

    def bindings(self) -> BindingList:
        """Return all bindings; the sessions are without their metadata."""
        with self._database.snapshot():
            found = [
                Binding(folder, name, session and session.without_metadata())
                for folder, name in self._bindings()
                for session in [self._sessions.named(name)]
            ]
            state = states.newest(self._database)
        return BindingList(found, state.revision, str(state))

    def session_id(self, folder: str | None) -> int:
        """Return the id of the session that a folder shows, see :meth:`current`.

        Raises :class:`SessionNotFoundError` if it shows none.
        """
        session = self.current(folder).session
        if session is None:
            raise SessionNotFoundError(None, "no session is active: name one, or activate one")
        return session.id

    def pin(
        self,
        name: str | None,
        uri: str,
        *,
        session_id: int | None = None,
        folder: str | None = None,
        pinned: bool = True,
    ) -> SessionResult:
        """Add a file to the session's pinned files, or remove it.

        Without a name or an id it is the session that ``folder`` shows. The file is stored as
        upstream does: the absolute path with links resolved. Raises
        :class:`InvalidArgumentError`, :class:`SessionNotFoundError` and
        :class:`LimitExceededError`.
        """
        place = uris.parse(uri, "uri")
        paths = [path for form in uris.forms(place) if (path := form.place.path) is not None]
        if not paths:
            raise InvalidArgumentError("uri", "a file: URI or an absolute path of this machine")
        pin, spellings = paths[-1], {*paths}

        def changed(stored: object) -> list[object]:
            before = stored if isinstance(stored, list) else []
            if pinned:
                return before if pin in before else [*before, pin]
            return [one for one in before if one not in spellings]

        with self._database.transaction():
            if name is None and session_id is None:
                session_id = self.session_id(folder)
            return self._sessions.change_member(name, session_id, PINNED, changed)

    def _bindings(self) -> list[tuple[str, str]]:
        rows = self._database.run(_BINDINGS)
        return [(folder, name.decode("utf-8", "replace")) for folder, name in rows]

    def _same(self, place: Uri) -> tuple[str, str] | None:
        """Return the folder and name of the binding of this very folder."""
        forms = [form.place for form in uris.forms(place)]
        for folder, name in self._bindings():
            stored = uris.parse(folder, "folder")
            if stored in forms or uris.is_same(stored, place):
                return folder, name
        return None
