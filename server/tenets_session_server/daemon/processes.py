"""The daemons' processes, as the system lists them: which there are, and how to end one.

A socket can be removed, or be in a folder that this process does not look into, and a stopped
process does not answer. The list of processes has each daemon all the same (Linux only).
"""

from __future__ import annotations

import os
import select
import signal
import sys
import time
from pathlib import Path
from typing import Final

POLL_INTERVAL: Final = 0.02
"""Seconds between looks at a process whose end the system does not report."""
LISTED: Final = sys.platform == "linux"
"""Whether the system lists processes under ``/proc`` (proc(5))."""


def daemons(database: str) -> list[int]:
    """Return the ids of this user's daemons of a database; none where the system has no list."""
    if not LISTED:
        return []
    listed = [int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()]
    return sorted(pid for pid in listed if is_daemon(pid, database))


def is_daemon(pid: int, database: str) -> bool:
    """Tell whether a process is a daemon of a database; True where the system has no list."""
    if not LISTED:
        return True
    place = Path("/proc", str(pid))
    try:
        if place.stat().st_uid != os.geteuid():
            return False
        arguments = (place / "cmdline").read_bytes().split(b"\0")
    except OSError:  # it has ended
        return False
    ours = any(b"tenets_session_server" in one and b"daemon" in one for one in arguments[:6])
    return ours and b"--database=" + os.fsencode(database) in arguments


def end(pid: int, database: str, number: int, timeout: float) -> bool:
    """Send a signal to a daemon, and wait for its end; return whether it has ended.

    ``timeout`` is in seconds. Another process that has got the id meanwhile is left alone.
    """
    try:
        descriptor = os.pidfd_open(pid) if LISTED else None
    except ProcessLookupError:
        return True
    try:
        if not is_daemon(pid, database):
            return True
        if descriptor is None:
            os.kill(pid, number)
            return _has_ended(pid, timeout)
        signal.pidfd_send_signal(descriptor, number)
        poll = select.poll()
        poll.register(descriptor, select.POLLIN)
        return bool(poll.poll(timeout * 1000))
    except ProcessLookupError:
        return True
    finally:
        if descriptor is not None:
            os.close(descriptor)


def _has_ended(pid: int, timeout: float) -> bool:
    until = time.monotonic() + timeout
    while time.monotonic() < until:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        time.sleep(POLL_INTERVAL)
    return False
