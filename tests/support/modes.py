"""The two modes of the command: served by the daemon, and in a process of its own."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import pytest

OPTIONS: Final = {"shared": [], "standalone": ["--standalone"]}


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
