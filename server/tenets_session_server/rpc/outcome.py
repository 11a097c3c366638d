"""The outcome of a call: a result, an error, or a result that is still to come."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any

from msgspec import Struct

from tenets_session_server.storage.outcome import Completed, Failed


class Pending(Struct, frozen=True, gc=False):
    """A coroutine that returns the result. Later requests of the same client wait for it."""

    coroutine: Coroutine[Any, Any, Any]


Outcome = Completed | Failed | Pending
