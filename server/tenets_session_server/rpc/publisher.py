"""Tells all clients of a ``SessionDB`` what is committed, by whomever, and watches the file.

Commits of this process are told at once, those of others when ``PRAGMA data_version`` has changed.
That is looked at when the operating system tells that the files are written to, and from time to
time. Everything that is committed by then goes into one ``tenets/session.didChange``, so that
bursts are joined.

A client that does not read is not sent more and more, but left behind; when it has read on,
:meth:`Hub.catch_up` tells it everything since, in one message.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import functools
import logging
import threading
import time
from collections.abc import Callable
from typing import Final, Protocol

from lsprotocol.types import MessageType

from tenets_session_server.errors import DatabaseBusyError, DatabaseError
from tenets_session_server.methods.messages import AttachedClient, DidChange
from tenets_session_server.models import News
from tenets_session_server.rpc.client import notification
from tenets_session_server.rpc.result_cache import Results
from tenets_session_server.storage.session_db import SessionDB
from tenets_session_server.storage.watcher import FileEvents
from tenets_session_server.wire import call_when_idle

logger = logging.getLogger(__name__)

DID_CHANGE: Final = "tenets/session.didChange"

PUBLISH_WITHIN: Final = 0.005
"""Seconds after which a commit is told though there are more and more requests."""
PUBLISH_ALONE: Final = 0.002
"""Seconds after which the only client is told of its own commits, which it knows of already."""
LOOK_PAUSES: Final = (0.001, 0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064)
"""Seconds between looks once the files are written to: the commit comes some time after that."""
AFTER_OUR_OWN: Final = (0.010, 0.020, 0.040, 0.080, 0.160)
"""The same after a commit of ours. Until the first of them nothing is listened to, as it would be
ourselves, again and again while many are made."""
LISTEN_AGAIN: Final = 0.01
"""Seconds for which nothing is listened to after something about other files was heard."""
SELDOM: Final = 0.25
"""Seconds between looks while they are not."""
OFTEN: Final = 0.03
"""Seconds between looks where nothing tells whether they are."""
REOPEN_INTERVAL: Final = 0.25
"""Seconds between attempts to open a file that is not there."""
TRIM_AFTER: Final = 5.0
"""Seconds without a commit after which the write-ahead log is emptied; what is written to it next
takes longer, as it has to grow again."""


NOTHING: Final = -1
"""What a client has been told that has to look at everything anew."""


class Client(Protocol):
    """A client as the hub sees it. ``told`` is the revision it knows of, and the hub's to set."""

    told: int
    wants_changes: bool

    @property
    def congested(self) -> bool:
        """Whether it has so much left to read that it should not be sent more."""

    def describe(self, *, you: bool = False) -> AttachedClient:
        """Return who it is; with ``you``, that it is the one that has asked."""

    def tell(self, body: bytes) -> None:
        """Send an encoded notification, after every reply that is due."""

    def show(self, kind: MessageType, message: str) -> None:
        """Show the user a message."""


class Hub:
    """One for each ``SessionDB``, used from one event loop; it works while it has clients.

    The ``SessionDB`` may be written to from other threads as well.
    """

    _loop: asyncio.AbstractEventLoop
    _thread: int

    def __init__(self, session_db: SessionDB) -> None:
        self._db = session_db.db
        self._feed, self._sessions = session_db.feed, session_db.sessions
        self.results = Results(session_db.db)
        self._clients: set[Client] = set()
        self._told = 0  # the revision up to which everybody has been told, but for who is behind
        self._opened = 0  # which opening of the file that revision is of
        self._available = True
        self._due = False  # whether something may be new that has not been told
        self._retry_at = 0.0
        self._trim_at: float | None = None
        self._events: FileEvents | None = None
        self._pauses = iter(LOOK_PAUSES)
        self._listening: asyncio.TimerHandle | None = None  # to, again
        self._deaf = False  # to what we write ourselves
        self._timer: asyncio.TimerHandle | None = None
        self._publishing = False  # soon
        # What is logged here concerns everybody, not the client that happens to have caused it.
        self._context = contextvars.Context()

    def attach(self, client: Client) -> int:
        """Tell this client of everything from now on; return the revision it starts from.

        Raises the ``DatabaseError`` that fits where there is no database. The client is attached
        all the same, and told when there is one.
        """
        alone = not self._clients
        if alone:
            self._context.run(self._start)
        try:
            self._publish()  # what is new is new to the others only
        except DatabaseError as error:
            if alone and not isinstance(error, DatabaseBusyError):
                self._available = False  # its `initialize` tells; the others are told by `_look`
            raise
        finally:
            client.told = self._told
            self._clients.add(client)
        return client.told

    def detach(self, client: Client) -> None:
        """Tell this client nothing any more."""
        self._clients.discard(client)
        if not self._clients:
            self._stop()

    def describe_clients(self, asked_by: Client) -> list[AttachedClient]:
        """Return who is attached, whoever came first first."""
        described = [client.describe(you=client is asked_by) for client in self._clients]
        return sorted(described, key=lambda client: client.connected_at)

    def catch_up(self, client: Client) -> None:
        """Tell a client that was left behind what it has missed, now that it reads on."""
        if client.told < self._told and client in self._clients and not client.congested:
            self._attempt(lambda: self._catch_up(client))

    def _catch_up(self, client: Client) -> None:
        self._publish()  # also where the file is another one by now
        if client.told < self._told and not client.congested:
            self._tell([client], client.told, self._feed.news(client.told))

    # -- when to look ------------------------------------------------------------------------

    def _start(self) -> None:
        self._available = True
        self._trim_at = time.monotonic() + TRIM_AFTER  # others may have left something to do
        self._loop, self._thread = asyncio.get_running_loop(), threading.get_ident()
        self._db.on_commit.add(self._committed)
        self._events = FileEvents(self._db.path)
        self._listen()
        self._look_later()

    def _stop(self) -> None:
        self._db.on_commit.discard(self._committed)
        if self._events is not None:
            self._listen(wanted=False)
            self._events.close()
            self._events = None
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None
        self._publishing = self._deaf = False

    def _committed(self) -> None:
        if threading.get_ident() != self._thread:
            with contextlib.suppress(RuntimeError):  # the loop has ended
                self._loop.call_soon_threadsafe(self._publish_commits, context=self._context)
        elif not self._publishing:
            # Not now: its author gets the reply first. Nor while there is more to read, whose
            # commits can be told with it.
            self._publishing = True
            if len(self._clients) == 1:
                self._loop.call_later(PUBLISH_ALONE, self._publish_commits, context=self._context)
            else:
                publish = functools.partial(self._context.run, self._publish_commits)
                call_when_idle(self._loop, publish, PUBLISH_WITHIN)

    def _publish_commits(self) -> None:
        self._publishing = False
        if not self._clients:
            return
        self._attempt(self._publish)
        # Our own writing is no news. What somebody else does meanwhile is seen by looking.
        if self._events is not None and not self._deaf:
            self._deaf = True
            self._listen(wanted=False)
            self._pauses = iter(AFTER_OUR_OWN)
            self._look_later()

    def _listen(self, *, wanted: bool = True) -> None:
        if self._listening is not None:
            self._listening.cancel()
            self._listening = None
        if self._events is None or self._events.fd is None:
            return
        if wanted:
            self._loop.add_reader(self._events.fd, self._stirred)
        else:
            self._loop.remove_reader(self._events.fd)

    def _stirred(self) -> None:
        # Not again at once: a burst, or a folder busy with other files, must not cost a turn
        # for each write.
        self._listen(wanted=False)
        if self._events is not None and self._events.drain():
            self._look_soon()
        elif self._listening is None:
            self._listening = self._loop.call_later(LISTEN_AGAIN, self._listen)

    def _look_soon(self) -> None:
        self._pauses = iter(LOOK_PAUSES)
        self._look_later()

    def _look_later(self) -> None:
        watching = self._events is not None and self._events.watch()
        pause = next(self._pauses, SELDOM if watching else OFTEN)
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_later(pause, self._look)

    def _look(self) -> None:
        if self._events is not None and self._events.drain() and not self._deaf:
            self._pauses = iter(LOOK_PAUSES)
        self._deaf = False
        self._listen()
        self._look_later()
        now = time.monotonic()
        if self._available or now >= self._retry_at:
            self._retry_at = now + REOPEN_INTERVAL
            self._attempt(self._publish_if_moved_on)
            for client in tuple(self._clients):  # whose catching up has failed
                self.catch_up(client)
        if self._trim_at is not None and now >= self._trim_at:
            self._trim()

    def _publish_if_moved_on(self) -> None:
        if self._feed.moved_on() or self._due or self._db.opened != self._opened:
            self._publish()

    def _trim(self) -> None:
        """Tidy up; where that is impossible, nobody is the worse for it."""
        self._trim_at = None
        try:
            if self._sessions.purge_some():  # what somebody has begun, and could not finish
                self._trim_at = 0.0
            elif not self._db.trim():
                self._trim_at = time.monotonic() + TRIM_AFTER
        except DatabaseBusyError:
            self._trim_at = time.monotonic() + TRIM_AFTER
        except DatabaseError as error:
            logger.info("the write-ahead log cannot be emptied: %s", error)

    def _attempt(self, work: Callable[[], None]) -> None:
        """Do it; tell the users once that the database is in the way, and once that it is not."""
        try:
            work()
        except DatabaseBusyError as error:
            logger.debug("looking again later: %s", error)
        except DatabaseError as error:
            if self._available:
                self._available = False
                logger.warning("the database cannot be used: %s", error)
                self._show(MessageType.Error, f"Sessions are not available: {error}")
        else:
            if not self._available:
                self._available = True
                self._show(MessageType.Info, "Sessions are available again")

    # -- what to tell ------------------------------------------------------------------------

    def _publish(self) -> None:
        """Tell everybody what is new; until that has been done, it is due."""
        self._due = True
        self._db.check()
        anew = self._db.opened != self._opened
        news = None if anew else self._feed.news(self._told)
        if anew or (news and news.revision < self._told):
            # Another file, or an older state of this one: SQLite's `.restore` writes it in place.
            anew, news = True, self._feed.resume(self._told)
            if self._events is not None:
                self._events.renew()
        base, self._opened, self._due = 0 if anew else self._told, self._db.opened, False
        if news is None:
            return
        # Before anybody is told, as that may make others catch up.
        self._told = news.revision
        self._trim_at = time.monotonic() + TRIM_AFTER
        self._tell(self._clients, base, news)
        if anew:
            for client in self._clients:
                if client.told < news.revision:  # what it knows is of another file
                    client.told = NOTHING

    def _tell(self, clients: set[Client] | list[Client], base: int, news: News | None) -> None:
        """Tell clients that know ``base`` or more; the others are behind, and catch up later."""
        if news is None:
            return
        body = b""
        for client in tuple(clients):
            if client.congested or not base <= client.told < news.revision:
                continue
            told, client.told = client.told, news.revision  # telling may make it catch up at once
            if not client.wants_changes:
                continue
            if told == base:
                body = body or _encode(news, base)
                client.tell(body)
            else:
                client.tell(_encode(news, told))

    def _show(self, kind: MessageType, message: str) -> None:
        for client in tuple(self._clients):
            client.show(kind, message)


def _encode(news: News, told: int) -> bytes:
    return notification(DID_CHANGE, DidChange.of(news, told))
