"""What is committed to the file, by anyone, as those who publish it need it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from tenets_session_server.models.changes import ChangeBatch, State
from tenets_session_server.storage.sqlite.change_log import ChangeLog
from tenets_session_server.storage.sqlite.database import Database
from tenets_session_server.storage.sqlite.maintenance import Maintenance
from tenets_session_server.storage.sqlite.search_feed import SearchFeed
from tenets_session_server.storage.sqlite.watcher import Watcher
from tenets_session_server.storage.sqlite.workspace import Awake, Workspace
from tenets_session_server.storage.store import Currents, Update

BINDING: Final = frozenset({"bound", "created", "restored", "renamed", "deleted"})
"""Types of changes after which another binding may decide what a folder shows."""


class ChangeFeed:
    """The feed of one :class:`Database`, from :meth:`start` to :meth:`stop`.

    Meanwhile the event loop watches the file, and does what can wait.
    """

    def __init__(
        self,
        database: Database,
        change_log: ChangeLog,
        workspace: Workspace,
        maintenance: Maintenance,
        search_feed: SearchFeed,
    ) -> None:
        self._database, self._change_log, self._workspace = database, change_log, workspace
        self._maintenance, self._search_feed = maintenance, search_feed
        self._watcher = Watcher(database.path)
        self._generation = 0  # of the file that the last update was of
        self._awake: Awake | None = None  # as of that update
        self._on_commit: Callable[[], None] | None = None

    def start(self, on_commit: Callable[[], None], on_poll: Callable[[], None]) -> None:
        """Call ``on_commit`` after each commit of this store, and ``on_poll`` when others may have.

        ``on_commit`` is called in the thread that has committed, outside of the transaction.
        """
        self._on_commit = on_commit
        self._database.on_commit.add(on_commit)
        self._maintenance.start()
        self._search_feed.start()
        self._watcher.start(on_poll)

    def stop(self) -> None:
        """Undo :meth:`start`."""
        self._watcher.stop()
        self._search_feed.stop()
        self._maintenance.stop()
        if self._on_commit is not None:
            self._database.on_commit.discard(self._on_commit)

    def own_commit(self) -> None:
        """Say that a commit of this store was published: what the watcher sees of it is no news."""
        self._watcher.own_commit()

    def has_changed(self) -> bool:
        """Tell whether others have committed since the last call, or the file is another one."""
        return self._change_log.has_external_commits() or (
            self._database.generation != self._generation
        )

    def update(self, start: State, folders: Iterable[tuple[str, ...]]) -> Update | None:
        """Return what was committed after ``start``, which all clients have; None if nothing was.

        Of each of ``folders`` it says what they show. Opens the file if it is not open. Raises a
        ``DatabaseError``.
        """
        self._database.ensure_open()
        replaced = self._database.generation != self._generation
        found = None if replaced else self.after(start, folders)
        if replaced or (found is not None and found.batch.incomplete):
            # Another file, an older state of this one (SQLite's `.restore` writes it in place), or
            # more changes than are kept.
            batch = self._change_log.resume_after(start.revision)
            found = Update(batch, self._currents(batch, folders), replaced=True)
            self._watcher.file_replaced()
        self._generation = self._database.generation
        if found is not None:
            self._maintenance.commit_seen()
            self._search_feed.commit_seen()
        return found

    def after(self, start: State, folders: Iterable[tuple[str, ...]]) -> Update | None:
        """Return what was committed after ``start``, which one client has, of one moment."""
        with self._database.snapshot():
            batch = self._change_log.batch_after(start)
            return None if batch is None else Update(batch, self._currents(batch, folders))

    def _currents(self, batch: ChangeBatch, folders: Iterable[tuple[str, ...]]) -> Currents:
        folders = {some for some in folders if some}
        if batch.incomplete or any(change.type in BINDING for change in batch.changes):
            self._awake = None
        if self._awake is None and folders:
            self._awake = self._workspace.awake()
        if self._awake is None:
            return {}
        awake = self._awake
        return {some: self._workspace.currents(some, awake) for some in folders}
