"""Running Node beside a copy of the example."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest

from support.messages import Json

EXAMPLE: Final = Path(__file__).parents[2] / "client_examples" / "node"
DEADLINE: Final = 120.0
INSTALL_DEADLINE: Final = 600.0

SERVER: Final = [sys.executable, "-m", "tenets_session_server"]

# What every snippet starts with. The file is given by the test; a name that is not exported is
# a name that the example's users cannot import either.
PRELUDE: Final = """\
import { TenetsSessionClient, TenetsSessionError } from "./tenets-session-client.mjs";
const [database, command, ...args] = JSON.parse(process.argv[2]);
const start = (...options) => TenetsSessionClient.start(
  { command, args: [...args, "--database", database, ...options] });
const failure = (promise) =>
  promise.then(
    (value) => ({ resolved: value ?? null }),
    (error) => ({
      known: error instanceof TenetsSessionError,
      kind: error.kind,
      retryable: error.retryable,
      code: error.code ?? null,
      data: error.data,
      message: error.message,
    }),
  );
const found = (value) => console.log(JSON.stringify(value));
"""

CAPABILITY: Final[Json] = {"protocolVersion": 1, "methods": [], "warnings": []}

Snippet = Callable[..., Any]


def program(name: str) -> str:
    """Return where a program is; its absence is a failure, for then nothing has been tested."""
    path = shutil.which(name)
    if path is None:
        pytest.fail(
            f"{name} is not installed, and these tests are about it: install Node 18 or newer with "
            "npm (Debian and Ubuntu: apt-get install nodejs npm; or from nodejs.org)",
            pytrace=False,
        )
    return path


def npm(folder: Path, *arguments: str) -> None:
    """Run npm in a folder."""
    done = subprocess.run(
        [program("npm"), *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=INSTALL_DEADLINE,
        check=False,
    )
    if done.returncode != 0:
        pytest.fail(f"npm {arguments[0]} failed:\n{done.stdout}{done.stderr}", pytrace=False)


def finished(
    command: list[str], folder: Path, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end and make sure that no process of its is left."""
    with subprocess.Popen(
        command,
        cwd=folder,
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        start_new_session=True,
    ) as process:
        try:
            # The pipes end only when every process that has them has ended.
            stdout, stderr = process.communicate(timeout=DEADLINE)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, 9)
            raise
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, 0)
        pytest.fail(f"a process is left of this one:\n{stdout}{stderr}")
    return subprocess.CompletedProcess(command, process.returncode, stdout, stderr)


def stand_in(example: Path, *, capability: Json) -> Path:
    """Return a server that announces ``capability``, and does on request what tests need."""
    module = example / "stand-in-server.mjs"
    module.write_text(
        f"""
import {{ spawn }} from "node:child_process";
import {{ createMessageConnection, StreamMessageReader, StreamMessageWriter }}
  from "vscode-jsonrpc/node";
const connection = createMessageConnection(
  new StreamMessageReader(process.stdin), new StreamMessageWriter(process.stdout));
const experimental = {{ tenetsSession: {json.dumps(capability)} }};
connection.onRequest("initialize", () => ({{ capabilities: {{ experimental }} }}));
connection.onRequest("tenets/session.getActive", () => null);
connection.onRequest("tenets/session.change", async (params) => {{
  await connection.sendNotification("tenets/session.didChange", params);
  return null;
}});
connection.onRequest("tenets/session.ask", async (method) => {{
  try {{
    return {{ result: await connection.sendRequest(method, {{}}) }};
  }} catch ({{ code }}) {{
    return {{ code }};
  }}
}});
connection.onRequest("tenets/session.holdPipe", () => {{
  const stdio = ["ignore", "inherit", "ignore"];
  const idle = ["-e", "setInterval(() => {{}}, 1e6)"];
  // Detached: it belongs to the snippet, which ends it, and not to the group that has to be empty.
  return spawn(process.execPath, idle, {{ stdio, detached: true }}).pid;
}});
connection.onRequest("shutdown", () => null);
connection.onNotification("exit", () => process.exit(0));
connection.listen();
""",
        encoding="utf-8",
    )
    return module
