"""What `tenets-session doctor` finds: one sentence each, and what to do about it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

Status = Literal["ok", "note", "problem"]


@dataclass
class Finding:
    """What was found out about one thing.

    A ``note`` is good to know; for a ``problem`` something needs doing. ``todo`` says what. ``fix``
    does it where that is safe, and returns what it has done; it may raise.
    """

    name: str
    status: Status
    says: str
    todo: str | None = None
    fix: Callable[[], str] | None = None
    fixed: str | None = None

    def plain(self) -> dict[str, str | bool | None]:
        """Return the same as JSON values."""
        return {
            "name": self.name,
            "status": self.status,
            "says": self.says,
            "todo": self.todo,
            "fixable": self.fix is not None,
            "fixed": self.fixed,
        }
