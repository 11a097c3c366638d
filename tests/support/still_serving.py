"""Whether a connection goes on as if nothing had happened, after whatever was sent."""

from __future__ import annotations

import json

from support.client import Client
from support.messages import Json


def assert_nothing_leaks(reply: Json) -> None:
    """No traceback and no path of this machine reaches a client."""
    text = json.dumps(reply)
    assert "Traceback" not in text
    assert ".py" not in text


async def assert_still_serving(client: Client, sessions: int = 0) -> None:
    """The next request gets its own reply, and nothing else has happened."""
    page = await client.result("list")
    assert len(page["sessions"]) == sessions
