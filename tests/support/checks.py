"""What holds of every message that a client reads.

A reply has a result or an error, and is one to a request; replies come in the order of the
requests. A change is notified once, and none is left out. A client that wants no notifications, or
is shutting down, gets none. Each change comes with another state. Messages are as the shipped JSON
Schema says.
"""

from __future__ import annotations

from collections import deque
from typing import Final

from support import schemas
from support.messages import Json
from tenets_session_server.methods.changes import DID_CHANGE

CANCELLED: Final = -32800


class Checks:
    """The checks of one client, and what it knows from the messages."""

    def __init__(self) -> None:
        self.capabilities: Json = {}
        self.revision = 0
        self.state: str | None = None
        self.notified: list[Json] = []
        self.shown: list[Json] = []
        self._notifications = False
        self._requests: deque[Json] = deque()  # those without a reply so far
        self._sent_bytes = False

    def sent(self, message: object) -> None:
        """Remember what is sent: bytes, or a message."""
        if isinstance(message, bytes):
            self._sent_bytes = True
        elif isinstance(message, dict) and {"id", "method"} <= message.keys():
            self._requests.append(message)

    def received(self, message: Json) -> None:
        """Check a message."""
        assert message["jsonrpc"] == "2.0"
        if "method" not in message:
            self._reply(message)
        elif message["method"] == "window/showMessage":
            self.shown.append(message["params"])
        elif message["method"] == DID_CHANGE:
            schemas.check_notification(message)
            self._change(message["params"])

    def _reply(self, reply: Json) -> None:
        assert ("result" in reply) is ("error" not in reply), reply
        request = next((one for one in self._requests if one["id"] == reply["id"]), None)
        if request is None:
            assert self._sent_bytes, f"no request has this id: {reply}"
            return
        if reply.get("error", {}).get("code") != CANCELLED:
            assert request is self._requests[0], "replies come in the order of the requests"
        self._requests.remove(request)
        schemas.check_reply(request, reply)
        if "result" in reply and request["method"] == "initialize":
            self._initialized(request.get("params"), reply["result"])
        elif "result" in reply and request["method"] == "shutdown":
            self._notifications = False

    def _initialized(self, params: object, result: Json) -> None:
        self.capabilities = result["capabilities"]
        capability = self.capabilities["experimental"]["tenetsSession"]
        self.revision, self.state = capability["revision"], capability["state"]
        options = params.get("initializationOptions") if isinstance(params, dict) else None
        self._notifications = (options or {}).get("notifications") is not False

    def _change(self, params: Json) -> None:
        assert self._notifications, "this client gets no notifications"
        revisions = [change["revision"] for change in params["changes"]]
        if not params.get("incomplete"):
            assert revisions, "a notification of nothing"
            assert params["revision"] == revisions[-1]
            assert revisions == list(range(self.revision + 1, params["revision"] + 1))
        assert params["revision"] > self.revision
        assert params["state"] != self.state
        self.revision, self.state = params["revision"], params["state"]
        self.notified.append(params)
