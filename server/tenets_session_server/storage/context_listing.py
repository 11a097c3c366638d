"""What a list of context entries has in it, and in which order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from tenets_session_server.storage import cursors

Order = Literal["oldest", "newest"]


@dataclass(frozen=True, slots=True)
class ContextListing:
    """Which entries are in a list, and in which order.

    Those of a session (its name, its id, or both), those of ``ids``, or of all; and of them those
    of a ``kind``, of an ``author``, and located in the file ``uri``.
    """

    session_name: str | None = None
    session_id: int | None = None
    ids: list[int] | None = None
    kind: str | None = None
    author: str | None = None
    uri: str | None = None
    order: Order = "oldest"
    include_content: bool = True

    def scope(self, session_id: int | None) -> int:
        """Return what the cursors of the list have in common; ``session_id`` is of its session."""
        return cursors.scope(
            "listContext",
            session_id,
            repr(self.ids),
            self.kind,
            self.author,
            self.uri,
            self.order,
        )
