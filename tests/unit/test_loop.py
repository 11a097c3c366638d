"""The event loop that calls clients' readers itself: asyncio's work must not suffer."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import os
import signal
import sys
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from tenets_session_server.wire.loop import call_when_idle, new_event_loop

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere it is asyncio's own")

if sys.platform == "linux":
    from tenets_session_server.wire.loop import DirectLoop


DEADLINE = 20.0


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    """A pipe, of which the reading end does not block."""
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    yield reading, writing
    for fd in (reading, writing):
        with contextlib.suppress(OSError):
            os.close(fd)


def run(main: Any) -> Any:
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        return runner.run(asyncio.wait_for(main, DEADLINE))


def loop_of_this_task() -> DirectLoop:
    loop = asyncio.get_running_loop()
    assert isinstance(loop, DirectLoop)
    return loop


def test_a_reader_is_called_in_its_context_until_all_is_read(pipe: tuple[int, int]) -> None:
    reading, writing = pipe
    variable = contextvars.ContextVar("variable", default="nobody's")
    found: list[tuple[str, bytes]] = []

    async def main() -> None:
        loop = loop_of_this_task()
        done = asyncio.Event()

        def read() -> None:
            found.append((variable.get(), os.read(reading, 1)))
            if len(found) == 3:
                loop.remove_direct_reader(reading)
                done.set()

        token = variable.set("the client's")
        loop.add_direct_reader(reading, read)
        variable.reset(token)
        os.write(writing, b"abcd")
        await done.wait()
        await asyncio.sleep(0)  # what is not watched any more is not read
        assert os.read(reading, 9) == b"d"

    run(main())
    assert found == [("the client's", part) for part in (b"a", b"b", b"c")]


def test_a_reader_that_is_always_called_holds_up_nothing(pipe: tuple[int, int]) -> None:
    """Its input is never read: it is called whenever the loop has nothing else to do."""
    reading, writing = pipe
    other_reading, other_writing = os.pipe()
    calls = 0

    def count() -> None:
        nonlocal calls
        calls += 1

    async def main() -> None:
        loop = loop_of_this_task()
        loop.add_direct_reader(reading, count)
        os.write(writing, b"x")
        await asyncio.sleep(0.02)  # a timer
        await asyncio.to_thread(lambda: None)  # another thread
        readable = asyncio.Event()
        loop.add_reader(other_reading, readable.set)  # asyncio's own descriptors
        os.write(other_writing, b"x")
        await readable.wait()
        loop.remove_reader(other_reading)
        signalled = asyncio.Event()
        loop.add_signal_handler(signal.SIGUSR1, signalled.set)
        os.kill(os.getpid(), signal.SIGUSR1)
        await signalled.wait()
        idle = asyncio.Event()
        call_when_idle(loop, idle.set, 0.01)
        await idle.wait()
        loop.remove_direct_reader(reading)

    run(main())
    assert calls > 10
    for fd in (other_reading, other_writing):
        os.close(fd)


def test_what_a_reader_leaves_to_do_is_done_before_more_is_waited_for(
    pipe: tuple[int, int],
) -> None:
    reading, writing = pipe
    order: list[str] = []

    async def main() -> None:
        loop = loop_of_this_task()
        done = asyncio.Event()

        def read() -> None:
            os.read(reading, 1)
            order.append("read")
            loop.call_soon(order.append, "soon")
            loop.call_later(0.001, order.append, "later")
            loop.call_later(0.002, done.set)

        loop.add_direct_reader(reading, read)
        os.write(writing, b"x")
        await done.wait()
        loop.remove_direct_reader(reading)

    run(main())
    assert order == ["read", "soon", "later"]


def test_idle_work_comes_after_what_has_arrived(pipe: tuple[int, int]) -> None:
    reading, writing = pipe
    order: list[str] = []

    async def main() -> None:
        loop = loop_of_this_task()
        done = asyncio.Event()

        def idle() -> None:
            order.append("idle")
            done.set()

        def read() -> None:
            order.append(os.read(reading, 1).decode())
            if order == ["a"]:
                call_when_idle(loop, lambda: order.append("of another"), DEADLINE)
                call_when_idle(loop, idle, DEADLINE)

        loop.add_direct_reader(reading, read)
        os.write(writing, b"abc")
        await done.wait()
        loop.remove_direct_reader(reading)

    run(main())
    assert order == ["a", "b", "c", "of another", "idle"]


def test_idle_work_does_not_wait_for_ever(pipe: tuple[int, int]) -> None:
    reading, writing = pipe

    async def main() -> None:
        loop = loop_of_this_task()
        done = asyncio.Event()
        loop.add_direct_reader(reading, lambda: None)
        os.write(writing, b"never read")
        call_when_idle(loop, done.set, 0.01)
        await done.wait()
        loop.remove_direct_reader(reading)

    run(main())


def test_a_reader_that_raises_is_reported_and_the_others_go_on(pipe: tuple[int, int]) -> None:
    reading, writing = pipe
    reported: list[Any] = []

    async def main() -> None:
        loop = loop_of_this_task()
        loop.set_exception_handler(lambda _, context: reported.append(context["exception"]))
        done = asyncio.Event()

        def read() -> None:
            if os.read(reading, 1) == b"!":
                raise ZeroDivisionError
            done.set()

        loop.add_direct_reader(reading, read)
        os.write(writing, b"!.")
        await done.wait()
        loop.remove_direct_reader(reading)

        def fail() -> None:
            loop.call_later(0.001, done.set)
            raise KeyError

        call_when_idle(loop, fail, 0)
        await asyncio.sleep(0)
        done.clear()
        await done.wait()

    run(main())
    assert [type(error) for error in reported] == [ZeroDivisionError, KeyError]


def test_an_end_is_told_and_another_thread_can_wake_it(pipe: tuple[int, int]) -> None:
    reading, writing = pipe

    async def main() -> bytes:
        loop = loop_of_this_task()
        ended: asyncio.Future[bytes] = loop.create_future()

        def read() -> None:
            loop.remove_direct_reader(reading)
            ended.set_result(os.read(reading, 1))

        loop.add_direct_reader(reading, read)
        woken = asyncio.Event()
        thread = threading.Thread(target=loop.call_soon_threadsafe, args=(woken.set,))
        thread.start()
        await woken.wait()
        thread.join()
        os.close(writing)
        return await ended

    assert run(main()) == b""


def test_any_other_loop_calls_idle_work_soon() -> None:
    async def main() -> None:
        done = asyncio.Event()
        call_when_idle(asyncio.get_running_loop(), done.set, DEADLINE)
        await done.wait()

    asyncio.run(main())
