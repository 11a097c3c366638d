"""What the plugins of editors in a terminal cost, beside the same editor without a plugin.

    python tests/benchmarks/editors.py [--rounds N] [--switches N] [--editors NAMES] [--smoke]

Each editor runs on a terminal of its own, as for a user. Printed are medians, and ratios of what is
measured by turns.

* **start**: from the start of the process until it has ended; it is told to end at once.
* **switch**: from the request of another client until the name of the other session is written to
  the terminal.
* **memory**: the editor's proportional set size, with the session shown.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import os
import pty
import select
import shutil
import statistics
import struct
import subprocess
import sys
import tempfile
import termios
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.lean_client import COMMAND, LeanClient, request
from benchmarks.report import environment
from support import shared

EXAMPLES: Final = Path(__file__).parents[2] / "client_examples"
# No letter of one is where the other has the same: an editor draws what has changed only.
SESSIONS: Final = ("billing", "kitchen")
ATTRIBUTES: Final = b"\x1b[c"
"""What a program asks a terminal first: what it can do."""
NO_COMPILING: Final = "(setq native-comp-deferred-compilation nil native-comp-jit-compilation nil)"
DEADLINE: Final = 60.0
QUIET: Final = 0.3
"""Seconds without output after which an editor has drawn everything."""


@dataclass(frozen=True)
class Editor:
    """How an editor is started with a configuration: without a plugin it is an empty one.

    ``ending`` are the arguments with which it ends at once.
    """

    command: tuple[str, ...]
    option: str
    suffix: str
    configuration: str
    ending: tuple[str, ...]


def editors(database: Path) -> Mapping[str, Editor]:
    """Return the editors, by their names."""
    server = f'"{COMMAND}", "--database", "{database}"'
    return {
        "neovim": Editor(
            (os.environ.get("TENETS_TEST_NVIM_NEWEST", "nvim"), "-i", "NONE"),
            "-u",
            ".lua",
            f"""
            vim.opt.runtimepath:append("{EXAMPLES / "neovim"}")
            vim.o.laststatus = 2
            vim.o.statusline = "%{{v:lua.require'tenets'.statusline()}}"
            require("tenets").setup({{ cmd = {{ {server} }} }})
            """,
            ("+qa!",),
        ),
        "vim": Editor(
            ("vim", "-N", "-i", "NONE"),
            "-u",
            ".vim",
            f"""
            let g:tenets_server = [{server}]
            set runtimepath+={EXAMPLES / "vim"} laststatus=2 statusline=%{{TenetsStatusline()}}
            """,
            ("+qa!",),
        ),
        "emacs": Editor(
            # Emacs compiles what it loads to native code, once, in further processes.
            ("emacs", "-Q", "-nw", "--eval", NO_COMPILING),
            "-l",
            ".el",
            f"""
            (add-to-list 'load-path "{database.parent}")
            (autoload 'tenets-mode "tenets" nil t)
            (setq tenets-server-command '({server.replace(",", "")}))
            (run-with-idle-timer 1 nil #'tenets-mode)
            """,
            ("-f", "kill-emacs"),
        ),
    }


class Terminal:
    """An editor on a terminal: what it writes is read here."""

    def __init__(self, command: list[str], folder: Path) -> None:
        main, worker = pty.openpty()
        fcntl.ioctl(worker, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        variables = {"TERM": "linux", "HOME": str(folder)}
        self.process = subprocess.Popen(
            command,
            cwd=folder,
            env={**os.environ, **variables},
            stdin=worker,
            stdout=worker,
            stderr=worker,
            start_new_session=True,
            # Emacs wants to own the terminal; no thread is there when it is called.
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),  # noqa: PLW1509
        )
        os.close(worker)
        self._main = main

    def _read(self) -> bytes:
        data = os.read(self._main, 65536)
        if ATTRIBUTES in data:  # Neovim waits for a second for the answer
            os.write(self._main, b"\x1b[?62;22c")
        return data

    def wait_for(self, text: str) -> None:
        """Read until a text is there."""
        seen = b""
        while text.encode() not in seen:
            assert select.select([self._main], [], [], DEADLINE)[0], seen
            seen += self._read()

    def settle(self) -> None:
        """Read until nothing more is written."""
        while select.select([self._main], [], [], QUIET)[0]:
            self._read()

    def wait_until_ended(self) -> None:
        """Read until the editor has ended."""
        with contextlib.suppress(OSError):  # it has closed its end
            while self.process.poll() is None:
                if select.select([self._main], [], [], 0.001)[0]:
                    self._read()
        self.process.wait(DEADLINE)

    def close(self) -> None:
        """End the editor."""
        self.process.kill()
        self.process.wait()
        os.close(self._main)

    @property
    def kilobytes(self) -> int:
        """The proportional set size of the editor; it may be of two processes, as Neovim is."""
        process = Path(f"/proc/{self.process.pid}")
        children = (process / "task" / process.name / "children").read_text().split()
        programs = [process, *(Path("/proc") / child for child in children)]
        of_editor = [
            one for one in programs if (one / "exe").resolve() == (process / "exe").resolve()
        ]
        lines = [
            line for one in of_editor for line in (one / "smaps_rollup").read_text().splitlines()
        ]
        return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))


@contextlib.contextmanager
def opened(editor: Editor, folder: Path, *, ours: bool, ending: bool = False) -> Iterator[Terminal]:
    """Start an editor with our plugin, or without a plugin."""
    file = folder / f"{'ours' if ours else 'empty'}{editor.suffix}"
    if not file.exists():
        file.write_text(editor.configuration if ours else "")
    command = [*editor.command, editor.option, str(file), *(editor.ending if ending else ())]
    terminal = Terminal(command, folder)
    try:
        yield terminal
    finally:
        terminal.close()


def starting(editor: Editor, folder: Path, *, ours: bool) -> float:
    """Return how many milliseconds an editor takes to start, and to end."""
    begin = time.perf_counter()
    with opened(editor, folder, ours=ours, ending=True) as terminal:
        terminal.wait_until_ended()
        return (time.perf_counter() - begin) * 1000


def switching(editor: Editor, folder: Path, client: LeanClient, count: int) -> list[float]:
    """Return how many milliseconds each switch takes until it is shown."""
    times: list[float] = []
    with opened(editor, folder, ours=True) as terminal:
        terminal.wait_for(SESSIONS[0])
        terminal.settle()
        for number in range(count):
            name = SESSIONS[(number + 1) % 2]
            data = request(number + 100, "tenets/session.setActive", {"name": name})
            begin = time.perf_counter()
            client.call(data)
            terminal.wait_for(name)
            times.append((time.perf_counter() - begin) * 1000)
            terminal.settle()
        if count % 2:
            client.call(request(1, "tenets/session.setActive", {"name": SESSIONS[0]}))
    return times


def memory(editor: Editor, folder: Path, *, ours: bool) -> int:
    """Return the memory of an editor that has been started, in KiB."""
    with opened(editor, folder, ours=ours) as terminal:
        if ours:
            terminal.wait_for(SESSIONS[0])
        terminal.settle()
        return terminal.kilobytes


def measure_start(name: str, editor: Editor, folder: Path, rounds: int) -> None:
    """Print how long an editor takes to start."""
    times: dict[bool, list[float]] = {True: [], False: []}
    for number in range(rounds + 1):
        for ours in (True, False) if number % 2 else (False, True):
            taken = starting(editor, folder, ours=ours)
            if number:  # the first one reads everything from the disk
                times[ours].append(taken)
    report(f"{name:8}start", times, "ms")


def measure_memory(name: str, editor: Editor, folder: Path, rounds: int) -> None:
    """Print how much memory an editor has."""
    kilobytes: dict[bool, list[float]] = {True: [], False: []}
    for _ in range(rounds):
        for ours in (True, False):
            kilobytes[ours].append(memory(editor, folder, ours=ours))
    report(f"{name:8}memory", kilobytes, "KiB")


def report(what: str, values: dict[bool, list[float]], unit: str) -> None:
    """Print medians and their ratio."""
    ours, empty = statistics.median(values[True]), statistics.median(values[False])
    print(f"{what:18}{ours:12,.1f}{empty:12,.1f} {unit:4}{ours / empty:8.3f}", flush=True)


def compile_package(folder: Path) -> None:
    """Put the package of Emacs into a folder, compiled, as Emacs installs it."""
    shutil.copy(EXAMPLES / "emacs" / "tenets.el", folder)
    command = ["emacs", "-Q", "--batch", "-f", "batch-byte-compile", "tenets.el"]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)


def main() -> int:
    """Measure and print."""
    options = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    options.add_argument("--rounds", type=int, default=40)
    options.add_argument("--switches", type=int, default=40)
    options.add_argument("--editors", help="their names, with commas between them")
    options.add_argument("--smoke", action="store_true", help="little of everything, once")
    given = options.parse_args()
    if given.smoke:
        given.rounds = given.switches = 2
    print(environment(), end="\n\n")
    print(f"{'':18}{'with':>12}{'without':>12} {'':4}{'ratio':>8}")
    with tempfile.TemporaryDirectory() as name, tempfile.TemporaryFile() as log:
        os.environ["XDG_RUNTIME_DIR"] = name
        database = Path(name) / "tenets.db"
        client = LeanClient([COMMAND, "--database", str(database)], log)
        client.call(request(0, "initialize", {"capabilities": {}}))
        for number, session in enumerate(reversed(SESSIONS), start=1):
            params = {"name": session, "active": True}
            client.call(request(number, "tenets/session.create", params))
        known = editors(database)
        for editor in given.editors.split(",") if given.editors else known:
            folder = Path(name) / editor
            folder.mkdir()
            assert shutil.which(known[editor].command[0]), f"{editor} is not installed"
            if editor == "emacs":
                compile_package(database.parent)
            measure_start(editor, known[editor], folder, given.rounds)
            measure_memory(editor, known[editor], folder, min(5, given.rounds))
            shown = switching(known[editor], folder, client, given.switches)
            cuts = statistics.quantiles(shown, n=20)
            print(f"{f'{editor:8}switch':18}{cuts[9]:12,.1f}{'':12} ms   p95 {cuts[18]:.1f}")
        client.call(request(1, "shutdown", None))
        client.tell("exit")
        client.end()
        shared.stop(database)
    return 0


if __name__ == "__main__":
    sys.exit(main())
