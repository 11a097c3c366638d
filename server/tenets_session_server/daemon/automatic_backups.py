"""The backups that a daemon makes by itself: at most one a day, and only if something has changed.

Whether one is due is looked at now and then. A process of its own makes it, so no request waits.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Final

from tenets_session_server.daemon import launch
from tenets_session_server.daemon.backup_process import PROBLEM
from tenets_session_server.storage.sqlite import automatic_backup, backup_files, file_system

logger = logging.getLogger(__name__)

FIRST_LOOK: Final = 10.0
"""Seconds from the start to the first look: an editor that has just started has other work."""
LOOK_INTERVAL: Final = 60.0
"""Seconds between later looks: some microseconds each."""


class AutomaticBackups:
    """The automatic backups of the database at ``path``, from :meth:`start` to :meth:`stop`.

    ``is_open`` says whether the daemon has the file open: else nothing is looked at. ``tell`` gets
    a sentence for the users, once.
    """

    def __init__(
        self, path: Path, is_open: Callable[[], bool], tell: Callable[[str], None]
    ) -> None:
        self._path, self._is_open, self._tell = path, is_open, tell
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[None] | None = None
        self._process: asyncio.subprocess.Process | None = None
        self._is_given_up = False
        self._unchanged: object = None  # the files, when nothing had changed
        self._has_told = False

    def start(self) -> None:
        """Begin to look whether a backup is due."""
        self._timer = self._loop.call_later(FIRST_LOOK, self._look)

    def stop(self) -> None:
        """Stop, and give up a backup that is being made."""
        if self._timer is not None:
            self._timer.cancel()
        self.give_up()

    def give_up(self) -> None:
        """End the process that is making a backup, if there is one."""
        self._is_given_up = True
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()

    def _look(self) -> None:
        self._timer = self._loop.call_later(LOOK_INTERVAL, self._look)
        is_made = self._task is not None and not self._task.done()
        is_wanted = self._is_open() and file_system.written(self._path) != self._unchanged
        if is_wanted and not is_made and automatic_backup.is_due(self._path):
            self._is_given_up = False
            self._task = self._loop.create_task(self._make())

    async def _make(self) -> None:
        before = file_system.written(self._path)
        try:
            process = await asyncio.create_subprocess_exec(
                *launch.python(),
                "backup",
                os.fspath(self._path),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
            )
        except OSError as error:
            self._failed(str(error))
            return
        self._process = process
        if self._is_given_up:
            self.give_up()
        printed, log = await process.communicate()
        self._process = None
        said = os.fsdecode(printed).strip()
        if self._is_given_up:
            logger.info("a backup is given up")
            backup_files.remove_of_process(self._path, process.pid)
        elif said.startswith(PROBLEM):
            self._failed(said.removeprefix(PROBLEM))
        elif process.returncode:
            ended = f"its process ended with {process.returncode}"
            logger.error("%s: %s", ended, log.decode("utf-8", "replace").strip())
            self._failed(ended)
        elif said:
            logger.info("made the backup %s", said)
        else:
            self._unchanged = before
            logger.info("no backup is necessary")

    def _failed(self, problem: str) -> None:
        logger.warning("no backup could be made: %s", problem)
        if not self._has_told:
            self._has_told = True
            self._tell(
                f"No backup of your sessions could be made: {problem}. For what to do, run in a"
                " terminal: tenets-session doctor"
            )
