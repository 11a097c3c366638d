"""Imports what :mod:`.exporter` has exported as JSON: all of it, or nothing.

The sessions are staged first, as an item of the trash that nobody sees: their rows in tables of the
trash, their entries in the table of context, hidden. One short transaction makes all visible. So a
large import may stage its entries in many transactions, between which others write. One that was
broken off leaves an item, which is removed later.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from contextlib import suppress
from typing import Final

from tenets_session_server.errors import ChangeRefusedError, DatabaseError, SessionExistsError
from tenets_session_server.models.transfer import Imported, OnConflict
from tenets_session_server.storage import names
from tenets_session_server.storage.json_stream import JsonStream
from tenets_session_server.storage.sqlite import states
from tenets_session_server.storage.sqlite.database import SWALLOWED, Database, Value
from tenets_session_server.storage.sqlite.hidden_context import HiddenContext
from tenets_session_server.storage.sqlite.import_staging import Staging
from tenets_session_server.storage.sqlite.restorer import TAKEN, Restorer
from tenets_session_server.storage.sqlite.trash import Trash
from tenets_session_server.storage.sqlite.whole_sessions import WholeSessions
from tenets_session_server.storage.steps import Steps, finished, patiently

_RENAME: Final = """UPDATE session_server_trash_sessions SET name = ?
    WHERE trash_id = ? AND id = ?"""
_FORGET: Final = "DELETE FROM session_server_trash_sessions WHERE trash_id = ? AND id = ?"
# They were keys of several authors, and are all the importing one's now: the newest keeps it.
_DROP_DOUBLE_KEYS: Final = """UPDATE session_server_entries AS mine SET identity_key = NULL
    WHERE key_session_id = :session AND identity_key IS NOT NULL AND EXISTS (
        SELECT 1 FROM session_server_entries AS e
        WHERE e.key_session_id = :session AND e.identity_key = mine.identity_key
            AND e.author IS mine.author AND e.id > mine.id)"""
_IS_FREE: Final = """SELECT NOT EXISTS (SELECT 1 FROM sessions WHERE name = :name)
    AND NOT EXISTS (SELECT 1 FROM session_server_trash_sessions
        WHERE trash_id = :item AND name = :name)"""


class Importer:
    """The imports into one :class:`Database`; raises as :meth:`Database.run` does."""

    def __init__(
        self,
        database: Database,
        trash: Trash,
        hidden: HiddenContext,
        whole_sessions: WholeSessions,
        restorer: Restorer,
    ) -> None:
        self._database, self._trash, self._hidden = database, trash, hidden
        self._whole_sessions, self._restorer = whole_sessions, restorer

    def run(self, chunks: Iterable[bytes], on_conflict: OnConflict = "error") -> Imported:
        """Import the document whose UTF-8 bytes the ``chunks`` are.

        Others may write meanwhile, and nothing is visible until the end. ``on_conflict`` says what
        becomes of a session whose name is taken. Raises :class:`ImportInvalidError` and
        :class:`SessionExistsError`.
        """
        return finished(self.steps(chunks, on_conflict))

    def steps(
        self,
        chunks: Iterable[bytes],
        on_conflict: OnConflict = "error",
        most_sessions: int | None = None,
    ) -> Steps[Imported]:
        """Do the same in many steps; more sessions raise :class:`LimitExceededError`.

        Each is short but the last one, which makes the sessions visible. Yields the seconds until
        the next step, and returns what :meth:`run` returns.
        """
        with self._database.transaction():
            trash_id = self._trash.stage()
        try:
            staging = Staging(self._database, self._trash, self._hidden, trash_id, most_sessions)
            yield from staging.read(JsonStream(chunks))
            return (yield from patiently(lambda: self._make_visible(staging, on_conflict)))
        except BaseException:
            if not self._database.in_transaction:  # which undoes it all
                with suppress(DatabaseError), self._database.transaction():
                    self._trash.discard(trash_id)
            raise

    def _make_visible(self, staging: Staging, on_conflict: OnConflict) -> Imported:
        trash_id, replaced, entries = staging.trash_id, None, staging.entries
        with self._database.transaction():
            taken = self._database.run(TAKEN, (trash_id,))
            if taken and on_conflict == "error":
                raise SessionExistsError(_text(taken[0][1]))
            if taken and on_conflict == "overwrite":
                replaced = self._whole_sessions.discard([row[0] for row in taken])
            if taken and on_conflict == "skip":
                staged = [row[2] for row in taken]
                self._hidden.discard_sessions(trash_id, staged)
                self._database.run_many(_FORGET, ((trash_id, one) for one in staged))
                entries = self._hidden.count(trash_id)
            elif on_conflict == "rename":
                for _, name, one in taken:
                    free = self._free_name(_text(name), trash_id)
                    self._database.run(_RENAME, (free, trash_id, one))
            if self._hidden.count(trash_id) != entries:
                raise ChangeRefusedError(SWALLOWED)
            sessions = self._restorer.insert_sessions(trash_id, as_new=True)
            for session_id in staging.with_keys:
                self._database.run(_DROP_DOUBLE_KEYS, {"session": session_id})
            staging.give_back_ids()
            self._trash.forget(trash_id)
            self._trash.on_change()
            state = states.newest(self._database)
        skipped = len(taken) if on_conflict == "skip" else 0
        return Imported(
            imported=staging.sessions - skipped,
            skipped=skipped,
            renamed=staging.cleaned + (len(taken) if on_conflict == "rename" else 0),
            entries=entries,
            sessions=[one.without_metadata() for one in sessions],
            trash_id=replaced,
            revision=state.revision,
            state=str(state),
        )

    def _free_name(self, name: str, trash_id: int) -> str:
        """Return "NAME (2)", or with the first number that gives a name nobody has."""
        for number in itertools.count(2):
            suffix = f" ({number})"
            found = f"{name[: names.LONGEST - len(suffix)].rstrip()}{suffix}"
            bindings: dict[str, Value] = {"name": found, "item": trash_id}
            if self._database.run(_IS_FREE, bindings)[0][0]:
                break
        return found


def _text(name: bytes) -> str:
    return name.decode("utf-8", "replace")
