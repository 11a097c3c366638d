"""The outcome of calls that were executed: a result, or an error."""

from __future__ import annotations

from typing import Any

from msgspec import Struct


class Completed(Struct, frozen=True, gc=False):
    """The result, as msgspec encodes it. One that is encoded already is a ``msgspec.Raw``."""

    result: Any


class GroupFailedError(Exception):
    """Calls that were to share one commit have failed together, and nothing has happened."""


class Failed(Struct, frozen=True, gc=False):
    """What was raised."""

    error: BaseException
