"""A language server as others are: a diagnostic, a hover and a code action of its own."""

from __future__ import annotations

import json
import sys
from typing import Any

HOVER = "linter: a function"
PROBLEM = "linter: unused import"
ACTION = "Remove the import"


def send(message: dict[str, Any]) -> None:
    body = json.dumps({"jsonrpc": "2.0", **message}).encode()
    sys.stdout.buffer.write(b"Content-Length: %d\r\n\r\n%b" % (len(body), body))
    sys.stdout.buffer.flush()


def answer(method: str) -> Any:
    if method == "initialize":
        sync = {"openClose": True, "change": 1}
        provided = {"textDocumentSync": sync, "hoverProvider": True, "codeActionProvider": True}
        return {"capabilities": provided}
    if method == "textDocument/hover":
        return {"contents": {"kind": "plaintext", "value": HOVER}}
    if method == "textDocument/codeAction":
        return [{"title": ACTION, "command": {"title": ACTION, "command": "none"}}]
    return None


def main() -> None:
    while header := sys.stdin.buffer.readline():
        size = int(header.split(b":")[1])
        while sys.stdin.buffer.readline().strip():
            pass
        message = json.loads(sys.stdin.buffer.read(size))
        method, params = message.get("method"), message.get("params") or {}
        if method == "exit":
            return
        if method == "textDocument/didOpen":
            start, end = {"line": 0, "character": 0}, {"line": 0, "character": 9}
            found = {"range": {"start": start, "end": end}, "severity": 1, "message": PROBLEM}
            published = {"uri": params["textDocument"]["uri"], "diagnostics": [found]}
            send({"method": "textDocument/publishDiagnostics", "params": published})
        if "id" in message and method:
            send({"id": message["id"], "result": answer(method)})


if __name__ == "__main__":
    main()
