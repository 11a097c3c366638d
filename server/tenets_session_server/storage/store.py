"""Everything that a server needs of one database: operations, change log, watcher, maintenance."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from typing import Self

from tenets_session_server import __version__, locations
from tenets_session_server.config import CacheConfig, Synchronous, TenetsConfig
from tenets_session_server.errors import DatabaseBusyError, DatabaseError
from tenets_session_server.models.totals import Totals
from tenets_session_server.storage import file_system
from tenets_session_server.storage.change_log import ChangeLog
from tenets_session_server.storage.context import Context
from tenets_session_server.storage.database import Database
from tenets_session_server.storage.exporter import Exporter
from tenets_session_server.storage.hidden_context import HiddenContext
from tenets_session_server.storage.importer import Importer
from tenets_session_server.storage.maintenance import Maintenance
from tenets_session_server.storage.restorer import Restorer
from tenets_session_server.storage.search import Search
from tenets_session_server.storage.search_feed import SearchFeed
from tenets_session_server.storage.search_index import SearchIndex
from tenets_session_server.storage.sessions import Sessions
from tenets_session_server.storage.settings import Settings
from tenets_session_server.storage.trash import Trash
from tenets_session_server.storage.trash_upkeep import TrashUpkeep
from tenets_session_server.storage.watcher import Watcher
from tenets_session_server.storage.whole_sessions import WholeSessions
from tenets_session_server.storage.workspace import Workspace

logger = logging.getLogger(__name__)

_COUNTS = "SELECT sessions, context_entries FROM session_server_totals"


class Store:
    """The database that ``config`` names, opened at the first use.

    ``sessions``, ``whole_sessions``, ``context``, ``search``, ``workspace``, ``trash``,
    ``restorer``, ``exporter``, ``importer``, ``settings`` and ``change_log`` have the operations,
    and ``search_index`` is what a search looks into. Several threads may call them. Between
    :meth:`start` and :meth:`stop` the event loop watches and maintains the file.
    """

    def __init__(self, config: TenetsConfig) -> None:
        self.database = Database(config)
        hidden = HiddenContext(self.database)
        self.trash = Trash(self.database, hidden)
        self.sessions = Sessions(self.database)
        self.context = Context(self.database, self.sessions, self.trash)
        self.whole_sessions = WholeSessions(self.database, self.sessions, self.context, self.trash)
        self.restorer = Restorer(
            self.database, self.sessions, self.whole_sessions, self.trash, hidden
        )
        self.exporter = Exporter(self.database)
        self.importer = Importer(
            self.database, self.trash, hidden, self.whole_sessions, self.restorer
        )
        self.settings = Settings(self.database)
        self.workspace = Workspace(self.database, self.sessions)
        self.change_log = ChangeLog(self.database, self.sessions)
        self.search_index = index = SearchIndex(self.database)
        self.search = Search(self.database, index)
        self.trash_upkeep = TrashUpkeep(self.database, self.trash, hidden)
        self.maintenance = Maintenance(self.database, self.trash_upkeep.run_step)
        self.trash.on_change = self.maintenance.wake
        self.search_feed = SearchFeed(index, self.maintenance.commit_seen)
        self.maintenance.on_done = self.search_feed.commit_seen
        self.watcher = Watcher(self.database.path)

    @classmethod
    def for_server(
        cls, path: str, synchronous: Synchronous, reason: str, *, busy_timeout: float = 0.0
    ) -> Self:
        """Return the store of a server, or of a command that does without one.

        ``reason`` as :func:`.locations.locate` returns it; ``busy_timeout`` is in seconds.
        """
        # Whoever names a file with --database answers for its permissions.
        named = reason == locations.BY_OPTION
        directory, database = (None, path) if named else (os.path.dirname(path), None)  # noqa: PTH120
        # The protocol layer waits for another program's lock, and serves clients meanwhile.
        config = TenetsConfig(CacheConfig(directory), database, synchronous, busy_timeout)
        return cls(config)

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

    def start(self, on_poll: Callable[[], None]) -> None:
        """Watch and maintain the file; ``on_poll`` is called when others may have committed."""
        self.maintenance.start()
        self.search_feed.start()
        self.watcher.start(on_poll)

    def stop(self) -> None:
        """Undo :meth:`start`."""
        self.watcher.stop()
        self.search_feed.stop()
        self.maintenance.stop()

    def commit_seen(self) -> None:
        """Maintain the file, and feed the search index, some time after a commit by anyone."""
        self.maintenance.commit_seen()
        self.search_feed.commit_seen()

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

    def close(self) -> None:
        """Close the file for good; further calls raise ``DatabaseUnavailableError``."""
        self.database.close()
