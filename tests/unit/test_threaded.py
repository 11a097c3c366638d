"""Files that no event loop can watch are read in a thread of their own."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path

import pytest

from support.pipes import DEADLINE
from tenets_session_server.wire import streams
from tenets_session_server.wire.threaded import ThreadedReader


@pytest.mark.asyncio
async def test_a_file_is_not_read_ahead_of_what_was_taken(tmp_path: Path) -> None:
    size = 100 * streams.READ_SIZE
    (tmp_path / "input").write_bytes(b"x" * size)
    fd = os.open(tmp_path / "input", os.O_RDONLY)
    taken = 0
    ended = asyncio.get_running_loop().create_future()

    def take(data: bytes) -> None:
        nonlocal taken
        taken += len(data)
        time.sleep(0.001)  # so that a thread that does not wait would read on
        # The reader's copy of the descriptor has the same position.
        if os.lseek(fd, 0, os.SEEK_CUR) > taken:
            ended.set_exception(AssertionError("more was read"))
        elif not data:
            ended.set_result(None)

    reader = ThreadedReader(fd, take)
    await asyncio.wait_for(ended, DEADLINE)
    assert reader.closed
    assert taken == size
    os.close(fd)
