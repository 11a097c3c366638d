"""A database as everything above sees it, whichever engine has it (see :mod:`.engines`)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Protocol

from msgspec import Struct

from tenets_session_server.models.changes import ChangeBatch, ChangeList, State
from tenets_session_server.models.sessions import Current
from tenets_session_server.models.totals import Totals
from tenets_session_server.storage import operations
from tenets_session_server.storage.outcome import Completed, Failed

Currents = dict[tuple[str, ...], list[Current] | None]
"""What the folders of clients show, by the folders; None where no binding concerns them."""
GroupedCall = tuple[bool, Callable[[], Any]]
"""A call that may share a commit: whether it writes, and what executes it."""


class Update(Struct, frozen=True):
    """What was committed after a state, and what folders show then.

    ``replaced``: the state that clients have may be that of another history.
    """

    batch: ChangeBatch
    currents: Currents
    replaced: bool = False


class ChangeLog(Protocol):
    """Operations on what was committed."""

    def state(self) -> State:
        """Return the newest state."""

    def since(
        self,
        start: int | str | None,
        limit: int,
        *,
        name: str | None = None,
        session_id: int | None = None,
        not_author: str | None = None,
    ) -> ChangeList:
        """Return what was committed after a state."""


class ChangeFeed(Protocol):
    """What is committed, by anyone, as those who publish it need it."""

    def start(self, on_commit: Callable[[], None], on_poll: Callable[[], None]) -> None:
        """Call ``on_commit`` after each commit of this store, and ``on_poll`` when others may have.

        ``on_commit`` is called in the thread that has committed.
        """

    def stop(self) -> None:
        """Undo :meth:`start`."""

    def own_commit(self) -> None:
        """Say that a commit of this store was published."""

    def has_changed(self) -> bool:
        """Tell whether others have committed since the last call."""

    def update(self, start: State, folders: Iterable[tuple[str, ...]]) -> Update | None:
        """Return what was committed after ``start``, which all clients have; None if nothing was.

        Of each of ``folders`` it says what they show. It opens the database if it is not open.
        """

    def after(self, start: State, folders: Iterable[tuple[str, ...]]) -> Update | None:
        """Return what was committed after ``start``, which one client has."""


class Store(Protocol):
    """A database that is opened at the first use. Several threads may call its operations.

    ``author`` is who writes, as entries and the change log say; set it before each call.
    """

    author: str | None

    @property
    def name(self) -> str:
        """The database as readable text."""

    @property
    def reason(self) -> str | None:
        """Why it is not the database that was asked for, None if it is."""

    @property
    def path(self) -> Path | None:
        """Its file, None if it has none."""

    @property
    def shown_folder(self) -> Path:
        """Where what is shown to a person as a file belongs; it need not exist."""

    @property
    def sessions(self) -> operations.Sessions:
        """See :class:`.operations.Sessions`."""

    @property
    def switching(self) -> operations.Switching:
        """See :class:`.operations.Switching`."""

    @property
    def whole_sessions(self) -> operations.WholeSessions:
        """See :class:`.operations.WholeSessions`."""

    @property
    def context(self) -> operations.Context:
        """See :class:`.operations.Context`."""

    @property
    def workspace(self) -> operations.Workspace:
        """See :class:`.operations.Workspace`."""

    @property
    def search(self) -> operations.Search:
        """See :class:`.operations.Search`."""

    @property
    def trash(self) -> operations.Trash:
        """See :class:`.operations.Trash`."""

    @property
    def restorer(self) -> operations.Restorer:
        """See :class:`.operations.Restorer`."""

    @property
    def exporter(self) -> operations.Exporter:
        """See :class:`.operations.Exporter`."""

    @property
    def importer(self) -> operations.Importer:
        """See :class:`.operations.Importer`."""

    @property
    def change_log(self) -> ChangeLog:
        """See :class:`ChangeLog`."""

    @property
    def change_feed(self) -> ChangeFeed:
        """See :class:`ChangeFeed`."""

    @property
    def warnings(self) -> list[str]:
        """Sentences for the user, complete once it is open."""

    @property
    def is_open(self) -> bool:
        """Whether it is open; does not open it."""

    @property
    def is_read_only(self) -> bool:
        """Whether it is open, and may only be read."""

    @property
    def commits(self) -> int:
        """How often something was committed here that a client may see, or may have been."""

    def version(self) -> tuple[Any, ...]:
        """Return a value that differs after any commit, here or elsewhere; it costs little."""

    def group(self, calls: Iterable[GroupedCall]) -> list[Completed | Failed]:
        """Execute calls that may share one commit; return what came of each, in their order.

        Raises ``GroupFailedError`` if nothing has happened: each has to be executed by itself.
        """

    def open(self) -> None:
        """Open the database, if it is not open."""

    def prepare(self) -> None:
        """Do what a new process would: create the database, or repair it, if that is needed."""

    def take_repairs(self) -> list[str]:
        """Return sentences on what was repaired since the last call."""

    def open_for_client(self, reason: str) -> None:
        """Prepare and open it for a new client, and log problems instead of raising them."""

    def require_durability(self) -> None:
        """Have commits wait for the disk from now on, as a client asks for that."""

    def files(self) -> list[Path]:
        """Return the files that nobody else in this process may open."""

    def index(self, seconds: float) -> int:
        """Bring the search index up to date, for a while; return how many changes are left."""

    def totals(self) -> Totals:
        """Return the totals of one moment."""

    def release(self) -> None:
        """Close the database until the next use."""

    def close(self) -> None:
        """Close the database for good; further calls raise ``DatabaseUnavailableError``."""
