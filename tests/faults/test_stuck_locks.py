"""The system fails to release a lock. Needs strace(1), which makes a system call fail."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from support.foreign import ForeignWriter

pytestmark = pytest.mark.faults

# Without an event loop, so that the system calls are the same each time.
PROGRAM = """
import sys
from tenets_session_server.config import TenetsConfig
from tenets_session_server.errors import DatabaseBusyError
from tenets_session_server.storage.session_db import SessionDB

failures = 0
with SessionDB(TenetsConfig(database=sys.argv[1], busy_timeout=0.2)) as db:
    for name in ("a", "b", "c"):
        while failures < 50:
            try:
                db.create_session(name)
                break
            except DatabaseBusyError:
                failures += 1
print(failures)
"""
# The lock for writing in the shared memory of the write-ahead log (sqlite.org/walformat.html).
UNLOCK = re.compile(r"fcntl\(\d+, F_SETLK, \{l_type=F_UNLCK, .* l_start=120,")


def failures(folder: Path, *inject: str) -> tuple[int, list[str]]:
    """Create three sessions; return how often that failed, and the calls of fcntl(2)."""
    folder.mkdir()
    trace = folder / "trace"
    # -B: else the first run would write compiled modules, and make other calls than the second.
    command = [sys.executable, "-B", "-c", PROGRAM, str(folder / "tenets.db")]
    shown = subprocess.run(
        ["strace", "-o", str(trace), "-e", "trace=fcntl", *inject, *command],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    with ForeignWriter(folder / "tenets.db") as foreign:
        assert foreign.names() == ["a", "b", "c"]
    return int(shown.stdout), [one for one in trace.read_text().splitlines() if "fcntl(" in one]


def test_a_lock_that_the_system_does_not_release_is_got_rid_of(tmp_path: Path) -> None:
    assert shutil.which("strace"), "install strace"
    failed, calls = failures(tmp_path / "usual")
    assert failed == 0
    unlocks = [number for number, line in enumerate(calls, 1) if UNLOCK.match(line)]
    # That of the second session's commit, so that the third one meets the lock.
    when = f"inject=fcntl:error=ENOLCK:when={unlocks[-2]}"
    failed, calls = failures(tmp_path / "failing", "-e", when)
    (injected,) = [line for line in calls if "INJECTED" in line]
    assert UNLOCK.match(injected)
    assert 0 < failed < 50, "it is busy for a second, and then no more"
