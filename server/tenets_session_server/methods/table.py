"""The table of methods, gathered from the modules of this package that define them."""

from __future__ import annotations

from typing import Any, Final

from tenets_session_server.methods import (
    changes,
    context,
    search,
    sessions,
    stats,
    switching,
    transfer,
    trash,
    whole_sessions,
    workspace,
)
from tenets_session_server.methods.method import Method

METHODS: Final[tuple[Method[Any], ...]] = tuple(
    value
    for module in (
        sessions,
        switching,
        context,
        search,
        workspace,
        whole_sessions,
        trash,
        transfer,
        stats,
        changes,
    )
    for value in vars(module).values()
    if isinstance(value, Method)
)
BY_NAME: Final = {method.name: method for method in METHODS}
BY_COMMAND: Final = {method.command: method for method in METHODS}
