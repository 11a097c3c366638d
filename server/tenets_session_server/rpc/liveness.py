"""Notices that an editor is gone when its pipes do not tell.

A pipe stays open as long as any process holds it: a helper of the editor, a shell, a debugger. So
three more things are checked every second: whether the parent process has changed (it ended, and
this process was inherited by another), whether the process that the client named in ``initialize``
has ended (LSP 3.17, ``InitializeParams.processId``), and whether stdout has been hung up.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections.abc import Callable
from typing import Final

INTERVAL: Final = 1.0
"""Seconds between checks; the end of an editor takes effect within two of them."""


class Liveness:
    """Calls ``on_gone`` with the reason, once, when the client is found to be gone."""

    def __init__(
        self,
        on_gone: Callable[[str], None],
        hung_up: Callable[[], str | None],
        *,
        parent: int | None,
    ) -> None:
        self._on_gone, self._hung_up = on_gone, hung_up
        self._parent = parent if sys.platform != "win32" else None
        self._client: int | None = None
        self._pidfd: int | None = None
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = self._loop.call_later(INTERVAL, self._check)

    def watch_client(self, process_id: int) -> None:
        """Watch the process that the client says it is.

        A process that cannot be seen now is not watched: it is in a container or on another
        machine, where its number means something else.
        """
        if self._timer is None or process_id <= 0 or not _is_alive(process_id):
            return
        self._client = process_id
        self._close_pidfd()
        if sys.platform == "linux":
            # Exact and immediate. A number can be reused, and kill(2) takes a process that has
            # ended, but was not waited for, to be alive.
            with contextlib.suppress(OSError):
                self._pidfd = os.pidfd_open(process_id)
                self._loop.add_reader(self._pidfd, self._gone, f"process {process_id} has ended")

    def close(self) -> None:
        """Stop."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._close_pidfd()

    def _close_pidfd(self) -> None:
        if self._pidfd is not None:
            self._loop.remove_reader(self._pidfd)
            os.close(self._pidfd)
            self._pidfd = None

    def _check(self) -> None:
        self._timer = self._loop.call_later(INTERVAL, self._check)
        if self._parent is not None and os.getppid() != self._parent:
            self._gone(f"the parent process {self._parent} has ended")
        elif self._client is not None and not _is_alive(self._client):
            self._gone(f"process {self._client} has ended")
        elif (closed := self._hung_up()) is not None:
            self._gone(closed)

    def _gone(self, reason: str) -> None:
        if self._timer is not None:
            self.close()
            self._on_gone(reason)


def _is_alive(process_id: int) -> bool:
    if sys.platform == "win32":
        return True  # os.kill would end it there
    try:
        os.kill(process_id, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True
