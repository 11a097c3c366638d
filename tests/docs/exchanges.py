"""Records the exchanges of PROTOCOL.md with a real server on a new database.

They are those of the methods' own examples, in the order of the table of methods. What differs from
run to run (times, sizes, paths, process ids) is replaced by sample values.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import IO, Any, Final

from tenets_session_server.methods.table import BY_NAME, METHODS

COMMAND: Final = (sys.executable, "-m", "tenets_session_server", "--standalone")
WIDTH: Final = 100

Json = dict[str, Any]

_INITIALIZE: Final = {
    "processId": None,
    "rootUri": None,
    "capabilities": {},
    "clientInfo": {"name": "my editor"},
    "initializationOptions": {"notifications": False},
}
_SAMPLES: Final = {
    "database": "/home/you/.tenets/cache/tenets.db",
    "databaseReason": "the default",
    "databaseBytes": 65536,
    "logBytes": 103032,
    "expiresAt": "2026-12-24T09:30:00.123456+00:00",
    "engine": "SQLite 3.51.3",
    "pid": 4711,
}
_STATE: Final = re.compile(r"(\d+)\.[0-9a-f]{6,}")
_TIME: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6}|)\+00:00")
_MINUTE: Final = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d UTC")
_DAY: Final = "2026-11-24"


def script() -> Iterator[tuple[str, str, Any]]:
    """Yield the key, method and params of each message to the server; no params where None."""
    yield "initialize", "initialize", _INITIALIZE
    yield "initialize", "initialized", {}
    for method in METHODS:
        for example in method.examples:
            yield method.verb, method.name, example or None
    execute, create, get_active = (
        "workspace/executeCommand",
        BY_NAME["tenets/session.create"].command,
        BY_NAME["tenets/session.getActive"].command,
    )
    argument = {"name": "write docs", "active": True}
    yield "commands", execute, {"command": create, "arguments": [argument]}
    yield "commands", execute, {"command": get_active}
    yield "errors", "tenets/session.noSuchMethod", {}
    yield "errors", "shutdown", None
    yield "errors", "exit", None


@cache
def recorded(command: tuple[str, ...] = COMMAND) -> dict[str, str]:
    """Return each exchange as a Markdown block, by its key."""
    blocks: dict[str, list[str]] = {}
    with tempfile.TemporaryDirectory() as folder:
        database = str(Path(folder) / "tenets.db")
        with subprocess.Popen(
            [*command, "--database", database], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        ) as server:
            assert server.stdin is not None
            assert server.stdout is not None
            for message_id, (key, method, params) in enumerate(script()):
                message: Json = {"jsonrpc": "2.0", "id": message_id, "method": method}
                if method in {"initialized", "exit"}:
                    del message["id"]
                if params is not None:
                    message["params"] = params
                body = json.dumps(message).encode()
                server.stdin.write(b"Content-Length: %d\r\n\r\n%b" % (len(body), body))
                server.stdin.flush()
                lines = blocks.setdefault(key, [])
                lines.append(f"--> {shown(message)}")
                while "id" in message:
                    answer = read(server.stdout)
                    # In the order that people read.
                    answer = {"jsonrpc": answer.pop("jsonrpc"), **answer}
                    lines.append(f"<-- {shown(sample(answer))}")
                    if answer.get("id") == message_id:
                        break
            assert server.stdout.read() == b""
        assert server.returncode == 0
    return {key: "```jsonrpc\n{}\n```\n".format("\n".join(lines)) for key, lines in blocks.items()}


def conversation(command: Sequence[str], calls: Iterable[tuple[str, Any]]) -> Iterator[Json]:
    """Start a server, initialize it and make calls; yield the reply to each."""
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as server:
        assert server.stdin is not None
        assert server.stdout is not None
        for number, (method, params) in enumerate([("initialize", _INITIALIZE), *calls]):
            message = {"jsonrpc": "2.0", "id": number, "method": method, "params": params}
            body = json.dumps(message).encode()
            server.stdin.write(b"Content-Length: %d\r\n\r\n%b" % (len(body), body))
            server.stdin.flush()
            reply = read(server.stdout)
            if number > 0:
                yield {"jsonrpc": reply.pop("jsonrpc"), **reply}
        server.stdin.close()


def read(stream: IO[bytes]) -> Json:
    """Return the next message of the server."""
    header = stream.readline()
    assert stream.readline() == b"\r\n"
    message = json.loads(stream.read(int(header.split(b":")[1])))
    assert isinstance(message, dict)
    return message


def sample(value: Any) -> Any:
    """Return a message with sample values for what differs from run to run."""
    if isinstance(value, dict):
        return {
            key: _SAMPLES[key] if key in _SAMPLES else sample(one) for key, one in value.items()
        }
    if isinstance(value, list):
        return [sample(one) for one in value]
    if isinstance(value, str) and (state := _STATE.fullmatch(value)):
        return f"{state[1]}.5d0f1a9c"
    if isinstance(value, str):
        times = _TIME.sub(lambda found: f"{_DAY}T09:30:00{found[1] and '.123456'}+00:00", value)
        return _MINUTE.sub(f"{_DAY} 09:30 UTC", times)
    return value


def shown(value: Any, indent: int = 4, used: int = 4) -> str:
    """Return JSON in lines of at most :data:`WIDTH`, where it can be broken."""
    line = json.dumps(value, ensure_ascii=False)
    if used + len(line) <= WIDTH or not isinstance(value, dict | list) or not value:
        return line
    inner = indent + 2
    if isinstance(value, dict):
        keys = [f"{json.dumps(key)}: " for key in value]
        parts = [
            key + shown(one, inner, inner + len(key) + 1)
            for key, one in zip(keys, value.values(), strict=True)
        ]
    else:
        parts = [shown(one, inner, inner + 1) for one in value]
    # Members that fit share a line.
    lines = [parts[0]]
    for part in parts[1:]:
        last = lines[-1].rpartition("\n")[2]
        if "\n" not in part and inner + len(last) + len(part) + 3 <= WIDTH:
            lines[-1] += f", {part}"
        else:
            lines[-1] += ","
            lines.append(part)
    opening, closing = "{}" if isinstance(value, dict) else "[]"
    blank = "\n" + " " * inner
    return f"{opening}{blank}{blank.join(lines)}\n{' ' * indent}{closing}"
