"""Tells all clients of a store what any program has committed (``tenets/session.didChange``).

A commit of this process is published at once, after its author's reply. Commits of other programs
are found when the store says to look. All that is committed by then goes into one message. The
first of several is sent at once, and further ones are collected for :data:`JOIN_INTERVAL`.

A client that does not read is not sent more and more. It falls behind, and
:meth:`Publisher.catch_up` sends it everything since, in one message, when it has read on.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import logging
import threading
import time
from collections.abc import Callable, Iterable
from typing import Final

from tenets_session_server.errors import DatabaseBusyError, DatabaseError
from tenets_session_server.methods.changes import DID_CHANGE
from tenets_session_server.models.changes import ChangeBatch, State
from tenets_session_server.models.totals import AttachedClient
from tenets_session_server.rpc.calls import ResultCache
from tenets_session_server.rpc.client import ERROR, INFO, Client
from tenets_session_server.storage.store import Store, Update
from tenets_session_server.wire.messages import OutgoingNotification, encode

logger = logging.getLogger(__name__)

SINGLE_CLIENT_DELAY: Final = 0.002
"""Seconds after which the only client is sent its own commits, which it knows of from the reply."""
JOIN_INTERVAL: Final = 0.05
"""Seconds after other programs' changes were sent, in which further ones of them are collected."""
REOPEN_INTERVAL: Final = 0.25
"""Seconds between attempts to open a file that is not there."""

UNKNOWN: Final = State(-1, 0)
"""The last state that was sent to a client that last saw another file."""


class Publisher:
    """One for each store, used from one event loop; it works while there are clients.

    The store may be written to from other threads as well.
    """

    _loop: asyncio.AbstractEventLoop
    _thread: int

    def __init__(self, store: Store) -> None:
        self._feed = store.change_feed
        self.result_cache = ResultCache(store)
        self._clients: set[Client] = set()
        # The state up to which every client was sent all changes, but for those that are behind.
        self._published = State(0, 0)
        self._available = True
        self._retry_at = self._join_until = 0.0
        self._join_timer: asyncio.TimerHandle | None = None
        self._unpublished = False  # a commit may not have been published yet
        self._scheduled = False
        # What is logged here concerns all clients, not the one that happens to have caused it.
        self._log_context = contextvars.Context()

    def attach(self, client: Client) -> State:
        """Send this client everything from now on; return the state that it starts from.

        Raises the ``DatabaseError`` that fits where there is no database. The client is attached
        all the same, and gets a message when there is one.
        """
        first = not self._clients
        if first:
            self._log_context.run(self._start)
        try:
            self._publish()  # to the others, who would get these changes later and this client too
        except DatabaseError as error:
            if first and not isinstance(error, DatabaseBusyError):
                self._available = False  # `initialize` says so to this client, _poll to the others
            raise
        finally:
            client.last_sent = self._published
            self._clients.add(client)
        return client.last_sent

    def detach(self, client: Client) -> None:
        """Send this client nothing any more."""
        if client not in self._clients:
            return
        self._clients.remove(client)
        if not self._clients:
            self._feed.stop()
            self._scheduled = False
            self._stop_joining()

    def describe_clients(self, asked_by: Client) -> list[AttachedClient]:
        """Return who is attached, in the order they came."""
        described = [client.describe(you=client is asked_by) for client in self._clients]
        return sorted(described, key=lambda client: client.connected_at)

    def catch_up(self, client: Client) -> None:
        """Send a client that fell behind what it has missed, where it reads on now."""
        if self._is_behind(client) and client in self._clients:
            self._attempt(lambda: self._catch_up(client))

    def _catch_up(self, client: Client) -> None:
        self._publish()  # also where the file is another one by now
        if self._is_behind(client):
            update = self._feed.after(client.last_sent, self._folders())
            if update is not None:
                self._send(update, client.last_sent.revision, [client])

    def _is_behind(self, client: Client) -> bool:
        behind = client.last_sent.revision < self._published.revision
        return behind and not client.congested

    # -- when --------------------------------------------------------------------------------

    def _start(self) -> None:
        self._available = True
        self._loop, self._thread = asyncio.get_running_loop(), threading.get_ident()
        self._feed.start(self._committed, self._poll)

    def _committed(self) -> None:
        """Publish a commit of this process soon: its author gets the reply first."""
        if threading.get_ident() != self._thread:
            with contextlib.suppress(RuntimeError):  # the loop has ended
                self._loop.call_soon_threadsafe(self._publish_own, context=self._log_context)
        elif not self._scheduled:
            self._scheduled = True
            if len(self._clients) == 1:
                delay, context = SINGLE_CLIENT_DELAY, self._log_context
                self._loop.call_later(delay, self._publish_own, context=context)
            else:
                self._loop.call_soon(self._publish_own, context=self._log_context)

    def _publish_own(self) -> None:
        self._scheduled = False
        if self._clients:
            self._attempt(self._publish)
            self._feed.own_commit()

    def _poll(self) -> None:
        """Look for commits of other programs, and for what an error has kept from being sent."""
        now = time.monotonic()
        if self._available or now >= self._retry_at:
            self._retry_at = now + REOPEN_INTERVAL
            self._attempt(self._publish_if_changed)
            for client in tuple(self._clients):
                self.catch_up(client)

    def _publish_if_changed(self) -> None:
        if self._feed.has_changed() or self._unpublished:
            self._unpublished = True
            now = self._loop.time()
            if now >= self._join_until:
                self._join_until = now + JOIN_INTERVAL
                self._publish()
            elif self._join_timer is None:
                self._join_timer = self._loop.call_at(self._join_until, self._join)

    def _join(self) -> None:
        self._join_timer = None
        self._attempt(self._publish_if_changed)

    def _stop_joining(self) -> None:
        if self._join_timer is not None:
            self._join_timer.cancel()
            self._join_timer = None

    def _attempt(self, work: Callable[[], None]) -> None:
        """Do it; show every user once that the database cannot be used, and once that it can."""
        try:
            work()
        except DatabaseBusyError as error:
            logger.debug("the next poll tries again: %s", error)
        except DatabaseError as error:
            if self._available:
                self._available = False
                logger.warning("the database cannot be used: %s", error)
                self.show(ERROR, f"Sessions are not available: {error}")
        else:
            if not self._available:
                self._available = True
                self.show(INFO, "Sessions are available again")

    # -- what --------------------------------------------------------------------------------

    def _publish(self) -> None:
        """Send every client what was committed since the last time."""
        self._unpublished = True  # until it has worked
        base = self._published
        update = self._feed.update(base, self._folders())
        self._unpublished = False
        if update is None:
            return
        # Before anything is sent, as that may make other clients catch up.
        self._published = State.parse(update.batch.state)
        self._send(update, 0 if update.replaced else base.revision, self._clients)
        if update.replaced:
            for client in self._clients:
                if client.last_sent.revision < update.batch.revision:
                    client.last_sent = UNKNOWN

    def _folders(self) -> set[tuple[str, ...]]:
        """Return the folders of the clients that are told what these show."""
        return {client.folders for client in self._clients if client.wants_changes}

    def _send(self, update: Update, base: int, clients: Iterable[Client]) -> None:
        """Send a batch to the clients that have ``base`` or more; others are behind it."""
        messages: dict[tuple[int, bool, tuple[str, ...]], bytes] = {}
        batch, currents = update.batch, update.currents
        newest = State.parse(batch.state)
        for client in tuple(clients):
            sent = client.last_sent.revision
            if client.congested or not base <= sent < batch.revision:
                continue
            key = sent, client.wants_metadata, client.folders
            if client.wants_changes and key not in messages:
                messages[key] = _encode(batch.after(sent, currents.get(client.folders)), client)
            client.last_sent = newest  # first: sending may make it catch up
            if client.wants_changes:
                client.send(messages[key])
            if client.on_changes is not None:
                client.on_changes()

    def show(self, kind: int, message: str) -> None:
        """Show a sentence to the users of all clients (``window/showMessage``)."""
        for client in tuple(self._clients):
            client.show(kind, message)


def _encode(batch: ChangeBatch, client: Client) -> bytes:
    params = batch if client.wants_metadata else batch.without_metadata()
    return encode(OutgoingNotification(DID_CHANGE, params))
