"""Processes and pipes that are gone when a test is over, also when it has failed.

What a failed test leaves open is found by the garbage collector in the middle of a later one, which
fails for the ResourceWarning then.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any, Self


@contextlib.asynccontextmanager
async def process(
    command: Sequence[str], **options: Any
) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run a program as ``asyncio.create_subprocess_exec`` does; kill it if it is still there."""
    started = await asyncio.create_subprocess_exec(*command, **options)
    try:
        yield started
    finally:
        await end(started)


async def end(process: asyncio.subprocess.Process) -> None:
    """Kill a process, if it is still there, and close our ends of its pipes.

    Others may hold the other ends, so that these neither end with the process nor take what waits
    to be written; asyncio waits for both.
    """
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
    transport: asyncio.SubprocessTransport = process._transport  # type: ignore[attr-defined]
    for number in range(3):
        pipe = transport.get_pipe_transport(number)
        if isinstance(pipe, asyncio.WriteTransport) and pipe.get_write_buffer_size():
            pipe.abort()
        elif pipe is not None:
            pipe.close()
    await process.wait()
    transport.close()
    await asyncio.sleep(0)  # what was closed is let go of in the loop's next turn


async def output(command: Sequence[str], **options: Any) -> str:
    """Return what a program prints, which has to succeed."""
    async with process(command, stdout=asyncio.subprocess.PIPE, **options) as started:
        printed, _ = await started.communicate()
        assert started.returncode == 0
    return printed.decode()


@contextlib.contextmanager
def popen(command: Sequence[str], **options: Any) -> Iterator[subprocess.Popen[Any]]:
    """Run a program as ``subprocess.Popen`` does; kill it if it is still there."""
    with subprocess.Popen(command, **options) as started:
        try:
            yield started
        finally:
            started.kill()


class Pipe:
    """A pipe, whose ends may be closed earlier."""

    def __init__(self) -> None:
        self.reading, self.writing = os.pipe()
        self._open = {self.reading, self.writing}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close_reading()
        self.close_writing()

    def close_reading(self) -> None:
        """Close the end to read from."""
        self._close(self.reading)

    def close_writing(self) -> None:
        """Close the end to write to."""
        self._close(self.writing)

    def _close(self, descriptor: int) -> None:
        if descriptor in self._open:
            self._open.remove(descriptor)
            os.close(descriptor)
