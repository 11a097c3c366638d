"""An event loop that answers clients without a turn of asyncio's for each message.

asyncio makes a handle of every event, queues it, looks after its timers and then runs it, which is
a tenth of a round trip. :class:`DirectLoop` calls the readers of clients' input straight from its
selector, and waits for the next input at once where they have left asyncio nothing to do. It also
knows when there is no input, for work that is better done then. All else is asyncio's own loop,
with tasks, timers and signals as ever.
"""

from __future__ import annotations

import asyncio
import contextvars
import gc
import math
import select
import selectors
import sys
import time
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


def run(main: Coroutine[Any, Any, T]) -> T:
    """Run a process' ``main`` to its end, as ``asyncio.run`` does, on the best loop there is."""
    # All that has been imported stays: looking through it for garbage would take 20 ms, at times.
    gc.freeze()
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        return runner.run(main)


def new_event_loop() -> asyncio.AbstractEventLoop:
    """Return the loop to serve clients on: a :class:`DirectLoop` where the system has epoll."""
    return DirectLoop() if sys.platform == "linux" else asyncio.new_event_loop()


def call_when_idle(
    loop: asyncio.AbstractEventLoop, work: Callable[[], None], within: float
) -> None:
    """Call ``work`` once no client's input is waiting, after ``within`` seconds at most.

    Where ``loop`` cannot tell, it is called soon.
    """
    if sys.platform == "linux" and isinstance(loop, DirectLoop):
        loop.call_when_idle(work, within)
    else:
        loop.call_soon(work)


if sys.platform == "linux":

    class _DirectSelector(selectors.EpollSelector):
        """Watches direct readers itself, and asyncio's descriptors as one: its selector's own."""

        def __init__(self) -> None:
            super().__init__()
            self.asyncio_has_work = False
            self.on_error: Callable[[Exception], None]
            self._readers: dict[int, tuple[contextvars.Context, Callable[[], None]]] = {}
            self._idle_work: list[Callable[[], None]] = []
            self._idle_until = math.inf  # and not later
            self._outer = select.epoll()
            self._outer.register(self.fileno(), select.EPOLLIN)

        def watch(self, fd: int, callback: Callable[[], None]) -> None:
            self._outer.register(fd, select.EPOLLIN)
            self._readers[fd] = contextvars.copy_context(), callback

        def unwatch(self, fd: int) -> None:
            if self._readers.pop(fd, None) is not None:
                self._outer.unregister(fd)

        def when_idle(self, work: Callable[[], None], until: float) -> None:
            self._idle_work.append(work)
            self._idle_until = min(self._idle_until, until)

        def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
            until = math.inf if timeout is None else time.monotonic() + timeout
            left = timeout
            self.asyncio_has_work = False
            while self._wait(left) and not self.asyncio_has_work:
                if left is not None:
                    left = until - time.monotonic()
                    if left <= 0:
                        return []
            return super().select(0) if self.asyncio_has_work else []

        def _wait(self, timeout: float | None) -> bool:
            """Wait once, and do what can be done here; return whether anything has happened."""
            if self._idle_work:
                if not self._dispatch(0) or time.monotonic() >= self._idle_until:
                    idle_work, self._idle_work, self._idle_until = self._idle_work, [], math.inf
                    for work in idle_work:
                        self._call(work)
                return True
            # In whole milliseconds: less is nothing, and asyncio would ask all the time.
            return self._dispatch(-1 if timeout is None else math.ceil(timeout * 1e3) * 1e-3)

        def _dispatch(self, timeout: float) -> bool:
            try:
                events = self._outer.poll(timeout)
            except InterruptedError:
                return False
            for fd, _ in events:
                if (reader := self._readers.get(fd)) is not None:
                    context, callback = reader
                    self._call(context.run, callback)
                else:
                    self.asyncio_has_work = True
            return bool(events)

        def close(self) -> None:
            self._outer.close()
            super().close()

        def _call(self, function: Callable[..., None], *args: object) -> None:
            try:
                function(*args)
            except Exception as error:  # noqa: BLE001 - as asyncio does
                self.on_error(error)

    class DirectLoop(asyncio.SelectorEventLoop):
        """asyncio's loop with direct readers."""

        def __init__(self) -> None:
            self._direct = _DirectSelector()
            super().__init__(self._direct)
            self._direct.on_error = self._reader_failed

        def add_direct_reader(self, fd: int, callback: Callable[[], None]) -> None:
            """Call ``callback``, in a copy of this context, when there is something to read.

            It is called again until that has been read.
            """
            self._direct.watch(fd, callback)

        def remove_direct_reader(self, fd: int) -> None:
            """Undo :meth:`add_direct_reader`, if it has been done."""
            self._direct.unwatch(fd)

        def call_when_idle(self, work: Callable[[], None], within: float) -> None:
            """See the function of this name."""
            self._direct.when_idle(work, time.monotonic() + within)

        def call_soon(self, *args: Any, **kwargs: Any) -> asyncio.Handle:  # type: ignore[override]
            """See asyncio; its work is done before further input is waited for."""
            self._direct.asyncio_has_work = True
            return super().call_soon(*args, **kwargs)

        def call_at(self, *args: Any, **kwargs: Any) -> asyncio.TimerHandle:  # type: ignore[override]
            """See asyncio; the new timer may be the first one that is due."""
            self._direct.asyncio_has_work = True
            return super().call_at(*args, **kwargs)

        def stop(self) -> None:
            """See asyncio."""
            self._direct.asyncio_has_work = True
            super().stop()

        def _reader_failed(self, error: Exception) -> None:
            self.call_exception_handler({"message": "a direct reader failed", "exception": error})
