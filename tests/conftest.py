"""Fixtures that every suite shares: a real database file and the command that serves it."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

# Tests have a user's environment: PYTHONUNBUFFERED, for instance, hides what waits for a buffer.
for name in [name for name in os.environ if name.startswith("PYTHON")]:
    del os.environ[name]

# A shell has what it starts in the background ignore CTRL-C, and so would all that tests start.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# How long an example takes says what else the machine is doing.
hypothesis.settings.register_profile(
    "no time limits", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("no time limits")

# What fails in a helper is shown with its values, as in a test.
pytest.register_assert_rewrite("support", "editors")


@pytest.fixture(scope="session", autouse=True)
def _own_daemons() -> Iterator[None]:
    """Keep the daemons of the tests separate from the user's, and leave none running."""
    from support import shared

    place = tempfile.mkdtemp(prefix="tenets-")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_RUNTIME_DIR", place)
        patch.setenv("XDG_STATE_HOME", f"{place}/state")
        yield
        shared.stop_all()
    shutil.rmtree(place)


@pytest.fixture(autouse=True)
def _timings(request: pytest.FixtureRequest) -> Iterator[None]:
    """Have the timings that the test's mark names."""
    from support import timings

    mark = request.node.get_closest_marker("timings")
    with timings.changed(**mark.kwargs) if mark else contextlib.nullcontext():
        yield


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """A database file that does not exist yet, in a folder that does not exist yet."""
    return tmp_path / "cache" / "tenets.db"


@pytest.fixture
def server_command(database: Path) -> Iterator[list[str]]:
    """The installed server as an editor would start it, on :func:`database`."""
    from support import shared

    yield [sys.executable, "-m", "tenets_session_server", "--database", str(database)]
    shared.stop(database)
