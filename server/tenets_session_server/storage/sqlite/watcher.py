"""Decides when to poll for other programs' commits: after inotify(7) events, and at intervals.

inotify reports writes to the files without touching them. It does not report commits, and on some
file systems it misses writers. So it only triggers polls; whether there was a commit is what
``PRAGMA data_version`` says (:meth:`.change_log.ChangeLog.has_external_commits`).
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import struct
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

AVAILABLE: Final = sys.platform == "linux"

POLL_INTERVAL: Final = 0.25
"""Seconds between polls without an event."""
POLL_INTERVAL_WITHOUT_EVENTS: Final = 0.03
"""The same if inotify is not available or cannot watch the folder."""
POLLS_AFTER_EVENT: Final = (0.001, 0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064)
"""Seconds between the polls after an event: the commit comes some time after the write."""
POLLS_AFTER_OWN_COMMIT: Final = (0.010, 0.020, 0.040, 0.080, 0.160)
"""The same after a commit of this process; events are ignored until the first of these polls."""
PAUSE_AFTER_OTHER_FILES: Final = 0.01
"""Seconds for which events are ignored after events of other files in the folder."""

# From <sys/inotify.h>.
_MODIFY, _MOVED_FROM, _MOVED_TO, _CREATE, _DELETE = 1 << 1, 1 << 6, 1 << 7, 1 << 8, 1 << 9
_DELETE_SELF, _MOVE_SELF = 1 << 10, 1 << 11
_IGNORED: Final = 1 << 15
_OVERFLOWED: Final = 1 << 14
_FOLDER_EVENTS: Final = _DELETE_SELF | _MOVE_SELF | _IGNORED | _OVERFLOWED
_ONLY_FOLDERS: Final = 1 << 24
_EVENT: Final = struct.Struct("iIII")  # struct inotify_event, followed by the name
_READ_SIZE: Final = 64 * 1024


class FileEvents:
    """inotify events of one database; ``fd`` is readable if there are any, None without inotify."""

    def __init__(self, path: Path) -> None:
        self.fd: int | None = None
        self._path = path
        self._names: set[bytes] = set()
        self._watching = False
        self._watch = -1
        if AVAILABLE:
            self._libc = ctypes.CDLL(None, use_errno=True)
            found = self._libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
            self.fd = found if found >= 0 else None
        self.watch()

    def watch(self) -> bool:
        """Watch the folder unless it is watched; return whether it is watched now."""
        if self.fd is not None and not self._watching:
            mask = _MODIFY | _MOVED_FROM | _MOVED_TO | _CREATE | _DELETE
            mask |= _DELETE_SELF | _MOVE_SELF | _ONLY_FOLDERS
            path = Path(os.path.realpath(self._path))  # a link may have changed
            # Not the shared memory (-shm), which readers write to as well.
            self._names = {os.fsencode(path.name), os.fsencode(f"{path.name}-wal")}
            folder = os.fsencode(path.parent)
            self._watch = self._libc.inotify_add_watch(self.fd, folder, mask)
            self._watching = self._watch >= 0
        return self._watching

    def renew(self) -> None:
        """Watch the folder that the path leads to now."""
        if self.fd is not None and self._watching:
            self._watching = False
            self._libc.inotify_rm_watch(self.fd, self._watch)
        self.watch()

    def drain(self) -> bool:
        """Read all pending events; return whether one concerns the database."""
        concerned = False
        if self.fd is None:
            return concerned
        with contextlib.suppress(BlockingIOError):
            while data := os.read(self.fd, _READ_SIZE):
                position = 0
                while position < len(data):
                    watch, mask, _, length = _EVENT.unpack_from(data, position)
                    position += _EVENT.size + length
                    name = data[position - length : position].rstrip(b"\0")
                    if mask & _MOVE_SELF:
                        self.renew()
                    elif mask & _IGNORED and watch == self._watch:
                        self._watching = False
                    concerned |= name in self._names or bool(mask & _FOLDER_EVENTS)
        return concerned

    def close(self) -> None:
        """Close the descriptor."""
        if self.fd is not None:
            os.close(self.fd)
            self.fd = None
            self._watching = False


class Watcher:
    """Calls a function when another program may have committed to the database at ``path``."""

    _loop: asyncio.AbstractEventLoop
    _on_poll: Callable[[], None]

    def __init__(self, path: Path) -> None:
        self._path = path
        self._events: FileEvents | None = None
        self._intervals = iter(POLLS_AFTER_EVENT)
        self._ignoring_own = False
        self._poll_timer: asyncio.TimerHandle | None = None
        self._listen_timer: asyncio.TimerHandle | None = None

    def start(self, on_poll: Callable[[], None]) -> None:
        """Begin to call ``on_poll``, in the running event loop and the current context."""
        self._loop, self._on_poll = asyncio.get_running_loop(), on_poll
        self._events = FileEvents(self._path)
        self._listen()
        self._schedule_poll()

    def stop(self) -> None:
        """Stop, and close all descriptors."""
        if self._events is not None:
            self._ignore_events()
            self._events.close()
            self._events = None
        if self._poll_timer is not None:
            self._poll_timer.cancel()
            self._poll_timer = None
        self._ignoring_own = False

    def own_commit(self) -> None:
        """Ignore the events that a commit of this process causes."""
        if self._events is not None and not self._ignoring_own:
            self._ignoring_own = True
            self._ignore_events()
            self._intervals = iter(POLLS_AFTER_OWN_COMMIT)
            self._schedule_poll()

    def file_replaced(self) -> None:
        """Watch the folder that the path leads to now."""
        if self._events is not None:
            self._events.renew()

    def _listen(self) -> None:
        self._ignore_events()
        if self._events is not None and self._events.fd is not None:
            self._loop.add_reader(self._events.fd, self._events_arrived)

    def _ignore_events(self) -> None:
        if self._listen_timer is not None:
            self._listen_timer.cancel()
            self._listen_timer = None
        if self._events is not None and self._events.fd is not None:
            self._loop.remove_reader(self._events.fd)

    def _events_arrived(self) -> None:
        # Then listen only after a while: a burst of writes, or a folder with other busy files, must
        # not wake the loop for each write.
        self._ignore_events()
        if self._events is not None and self._events.drain():
            self._intervals = iter(POLLS_AFTER_EVENT)
            self._schedule_poll()
        else:
            self._listen_timer = self._loop.call_later(PAUSE_AFTER_OTHER_FILES, self._listen)

    def _schedule_poll(self) -> None:
        watching = self._events is not None and self._events.watch()
        usual = POLL_INTERVAL if watching else POLL_INTERVAL_WITHOUT_EVENTS
        if self._poll_timer is not None:
            self._poll_timer.cancel()
        self._poll_timer = self._loop.call_later(next(self._intervals, usual), self._poll)

    def _poll(self) -> None:
        if self._events is not None and self._events.drain() and not self._ignoring_own:
            self._intervals = iter(POLLS_AFTER_EVENT)
        self._ignoring_own = False
        self._listen()
        self._schedule_poll()
        self._on_poll()
