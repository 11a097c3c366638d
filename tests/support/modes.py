"""The two modes of the command: served by the daemon, and in a process of its own."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import pytest

OPTIONS: Final = {"shared": [], "standalone": ["--standalone"]}

both_modes: Final = pytest.mark.parametrize("server_command", OPTIONS, indirect=True)
"""Run a test in both modes; without this mark it runs in shared mode.

For what a process has to do with: its start and end, its streams, its file, other processes.
A direct server costs a second of the processor, and executes requests as a shared one does.
"""


def table(name: str, rows: Iterable[Any], ids: Iterable[str] | None = None) -> pytest.MarkDecorator:
    """Run a test with each row in shared mode, and with the first one in direct mode as well.

    A connection is the same in both modes, but in direct mode each needs a process.
    """
    rows = list(rows)
    names = [str(number) for number in range(len(rows))] if ids is None else list(ids)
    cases = [("shared", row, each) for row, each in zip(rows, names, strict=True)]
    cases.append(("standalone", rows[0], names[0]))
    return pytest.mark.parametrize(
        ("server_command", name),
        [pytest.param(mode, row, id=f"{mode}-{each}") for mode, row, each in cases],
        indirect=["server_command"],
    )
