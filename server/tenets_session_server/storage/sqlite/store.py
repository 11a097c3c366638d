"""The store of a file of SQLite: joins the operations, the change feed and the upkeep."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from pathlib import Path

from tenets_session_server import __version__
from tenets_session_server.config import TenetsConfig
from tenets_session_server.errors import DatabaseBusyError, DatabaseError
from tenets_session_server.models.totals import Totals
from tenets_session_server.storage.outcome import Completed, Failed
from tenets_session_server.storage.sqlite import file_system, group_commit
from tenets_session_server.storage.sqlite.change_feed import ChangeFeed
from tenets_session_server.storage.sqlite.change_log import ChangeLog
from tenets_session_server.storage.sqlite.context import Context
from tenets_session_server.storage.sqlite.database import Database
from tenets_session_server.storage.sqlite.exporter import Exporter
from tenets_session_server.storage.sqlite.hidden_context import HiddenContext
from tenets_session_server.storage.sqlite.importer import Importer
from tenets_session_server.storage.sqlite.maintenance import Maintenance
from tenets_session_server.storage.sqlite.restorer import Restorer
from tenets_session_server.storage.sqlite.search import Search
from tenets_session_server.storage.sqlite.search_feed import SearchFeed
from tenets_session_server.storage.sqlite.search_index import SearchIndex
from tenets_session_server.storage.sqlite.sessions import Sessions
from tenets_session_server.storage.sqlite.settings import Settings
from tenets_session_server.storage.sqlite.switching import Switching
from tenets_session_server.storage.sqlite.trash import Trash
from tenets_session_server.storage.sqlite.trash_upkeep import TrashUpkeep
from tenets_session_server.storage.sqlite.whole_sessions import WholeSessions
from tenets_session_server.storage.sqlite.workspace import Workspace
from tenets_session_server.storage.store import GroupedCall

logger = logging.getLogger(__name__)

_COUNTS = "SELECT sessions, context_entries FROM session_server_totals"


class SQLiteStore:
    """The database that ``config`` names, opened at the first use.

    The attributes are those of :class:`.store.Store`. Besides, ``database`` executes statements,
    and ``settings``, ``search_index``, ``maintenance`` and ``trash_upkeep`` are for this file only.
    """

    def __init__(self, config: TenetsConfig) -> None:
        self.database = database = Database(config)
        self.path, self.name, self.reason = database.path, database.name, database.reason
        self.open, self.close, self.release = database.open, database.close, database.release
        self.prepare, self.take_repairs = database.repair_or_create, database.take_repairs
        self.require_durability, self.version = database.require_durability, database.version
        hidden = HiddenContext(self.database)
        self.trash = Trash(self.database, hidden)
        self.sessions = Sessions(self.database)
        self.workspace = Workspace(self.database, self.sessions)
        self.switching = Switching(self.database, self.sessions, self.workspace)
        self.context = Context(self.database, self.sessions, self.workspace, self.trash)
        self.whole_sessions = WholeSessions(self.database, self.sessions, self.context, self.trash)
        self.restorer = Restorer(
            self.database, self.sessions, self.whole_sessions, self.trash, hidden
        )
        self.exporter = Exporter(self.database, self.sessions)
        self.importer = Importer(
            self.database, self.trash, hidden, self.whole_sessions, self.restorer
        )
        self.settings = Settings(self.database)
        self.change_log = ChangeLog(self.database, self.sessions)
        self.search_index = index = SearchIndex(self.database)
        self.search = Search(self.database, self.sessions, index)
        self.trash_upkeep = TrashUpkeep(self.database, self.trash, hidden)
        self.maintenance = Maintenance(self.database, self.trash_upkeep.run_step)
        self.trash.on_change = self.maintenance.wake
        self.search_feed = SearchFeed(index, self.maintenance.commit_seen)
        self.maintenance.on_done = self.search_feed.commit_seen
        self.change_feed = ChangeFeed(
            database, self.change_log, self.workspace, self.maintenance, self.search_feed
        )
        self.shown_folder = file_system.companion(self.database.path, ".shown")

    @property
    def author(self) -> str | None:
        """Who writes, as entries and the change log say; set it before each call."""
        return self.database.author

    @author.setter
    def author(self, author: str | None) -> None:
        self.database.author = author

    @property
    def commits(self) -> int:
        """How often something was committed here that a client may see, or may have been."""
        return self.database.commits

    @property
    def warnings(self) -> list[str]:
        """Sentences for the user about the file and the engine, complete once the file is open."""
        return self.database.warnings

    @property
    def is_open(self) -> bool:
        """Whether the file is open; does not open it."""
        return self.database.is_open

    @property
    def is_read_only(self) -> bool:
        """Whether the open file may only be read."""
        return self.database.is_read_only

    def group(self, calls: Iterable[GroupedCall]) -> list[Completed | Failed]:
        """Execute calls that share one commit, see :func:`.group_commit.run`."""
        return group_commit.run(self.database, calls)

    def index(self, seconds: float) -> int:
        """Bring the search index up to date, for a while; return how many changes are left."""
        return self.search_index.backlog() if self.search_index.feed(seconds) else 0

    def open_for_client(self, reason: str) -> None:
        """Do for a new client what a new process would: open, create or repair the file.

        ``reason`` says why the client uses this database. It is logged.

        If the database cannot be opened, that is logged. The client is served all the same: it gets
        the problem in ``initialize``'s warnings and with each request, until it is solved.
        """
        database = self.database
        name, reason = database.name, database.reason or reason
        logger.info("tenets-session-server %s, database %s (%s)", __version__, name, reason)
        before = database.generation
        try:
            database.repair_or_create()
            database.open()
        except DatabaseBusyError as error:  # several processes may create it at the same time
            logger.info("%s: %s; opening is tried again later", database.name, error)
        except DatabaseError as error:
            logger.error("%s: %s", database.name, error)  # noqa: TRY400 - no traceback
        if database.generation == before:  # otherwise opening has logged them
            for warning in database.warnings:
                logger.warning("%s", warning)

    def files(self) -> list[Path]:
        """Return the files that nobody else may open: closing one would drop SQLite's locks."""
        return [self.database.path, *file_system.beside(self.database.path)]

    def totals(self) -> Totals:
        """Return the totals of one moment. Raises a ``DatabaseError``."""
        with self.database.snapshot():
            sessions, entries = self.database.run(_COUNTS)[0]
            entries -= self.trash.hidden_entries()
            state = self.change_log.state()
        return Totals(
            sessions,
            entries,
            state.revision,
            str(state),
            self.database.name,
            *file_system.sizes(self.database.path),
            self.database.engine,
        )
