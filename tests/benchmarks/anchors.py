"""How many notes stay on their lines while a file changes, and how many end up in a wrong place.

    python tests/benchmarks/anchors.py REPOSITORY [--commits N] [--notes N] [--seed N]
    python tests/benchmarks/anchors.py --smoke

REPOSITORY is the path of a git repository, bare or not; it is only read. Notes are put on random
lines of the text files as they were N commits ago (first parents), and looked for in the files as
they are at HEAD.

What is true comes from git: a line is followed through ``git log -U0``, commit by commit. A note
*survives* if all of its lines do, next to each other. Then it is *right* where it was placed on
them, *wrong* where it was placed elsewhere, and else *lost*. *Gone* are notes that do not survive,
and *placed* says how many of them were placed all the same: their text was moved, or removed and
added again. "same line number" is what a client does that looks for nothing.

``--smoke`` makes a small repository of its own. The exit status is 1 if a note is wrong.
"""

from __future__ import annotations

import argparse
import random
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tenets_session_server.models.context import Anchor, Position, Range
from tenets_session_server.storage.anchors import Text
from tenets_session_server.storage.lines import lines_of, split
from tenets_session_server.storage.steps import finished

NOTES_A_FILE: Final = 20
LARGEST: Final = 1024 * 1024
BAR: Final = 2.0
"""Milliseconds for 20 notes in a file of 1,000 lines."""
_HUNK: Final = re.compile(rb"@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@")


class Note(NamedTuple):
    """A note on whole lines, counted from 0, and the anchor that it got."""

    first: int
    last: int
    range: Range
    anchor: Anchor


class Repository:
    """A git repository that is read."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def git(self, *arguments: str) -> bytes:
        """Return what a git command prints."""
        command = ["git", "-C", str(self._path), *arguments]
        return subprocess.run(command, check=True, capture_output=True).stdout

    def commit(self, back: int) -> str:
        """Return the commit that is ``back`` first parents behind HEAD, or the first one."""
        found = self.git("rev-list", "--first-parent", f"--max-count={back + 1}", "HEAD").split()
        return found[-1].decode()

    def files(self, commit: str) -> list[str]:
        """Return the paths of the files of a commit."""
        listed = self.git("ls-tree", "-r", "-z", "--name-only", commit)
        return [name.decode("utf-8", "surrogateescape") for name in listed.split(b"\0") if name]

    def text(self, commit: str, path: str) -> str | None:
        """Return a file as the server reads it; None for one that is gone, binary or too large."""
        try:
            data = self.git("cat-file", "blob", f"{commit}:{path}")
        except subprocess.CalledProcessError:
            return None
        if len(data) > LARGEST or b"\0" in data:
            return None
        return data.decode("utf-8-sig", "replace")

    def follow(self, since: str, path: str, count: int) -> list[int | None]:
        """Return where each of the ``count`` lines of a file is at HEAD, None if it is gone."""
        options = ("--first-parent", "--diff-merges=first-parent", "--reverse", "--format=", "-p")
        how = ("-U0", "--no-renames", "--no-color", "--no-ext-diff", "--no-textconv", "--text")
        printed = self.git("log", *options, *how, f"{since}..HEAD", "--", path)
        places: list[int | None] = list(range(count))
        for hunks in _diffs(printed):
            places = [None if at is None else _moved(at, hunks) for at in places]
        return places


Hunk = tuple[int, int, int]
"""The first old line of a change, counted from 0, the number of old lines, and of new ones."""


def _diffs(printed: bytes) -> Iterator[list[Hunk]]:
    hunks: list[Hunk] | None = None
    for line in printed.split(b"\n"):
        if line.startswith(b"diff --git "):
            if hunks:
                yield hunks
            hunks = []
        elif hunks is not None and (found := _HUNK.match(line)):
            old, new = (int(found[at] or b"1") for at in (2, 4))
            # Without old lines, the number is that of the line before.
            hunks.append((int(found[1]) - (1 if old else 0), old, new))
    if hunks:
        yield hunks


def _moved(at: int, hunks: list[Hunk]) -> int | None:
    shift = 0
    for first, old, new in hunks:
        if at < first:
            break
        if at < first + old:
            return None
        shift += new - old
    return at + shift


def whole(first: int, last: int) -> Range:
    """Return the range of whole lines."""
    return Range(Position(first, 0), Position(last + 1, 0))


def put_notes(lines: list[str], count: int, chosen: random.Random) -> list[Note]:
    """Return notes on some lines that are not blank; most have one line, some up to thirty."""
    found = list[Note]()
    there = Text(lines)
    candidates = [number for number, line in enumerate(lines) if line.strip()]
    most = len(lines) - (1 if lines[-1] else 2)
    for first in chosen.sample(candidates, min(count, len(candidates))):
        last = min(first + chosen.choice((0, 0, 0, 0, 1, 2, 4, 9, 29)), most)
        anchor = there.anchor(whole(first, last))
        assert anchor is not None
        found.append(Note(first, last, whole(first, last), anchor))
    return found


def outcome(placed: tuple[int, int] | None, true: tuple[int, int] | None) -> str:
    """Return under what a note counts."""
    if true is None:
        return "gone" if placed is None else "placed"
    if placed is None:
        return "lost"
    return "right" if placed == true else "wrong"


def survives(note: Note, places: list[int | None]) -> tuple[int, int] | None:
    """Return where the lines of a note are now, None unless all are there, next to each other."""
    now = places[note.first : note.last + 1]
    start = now[0]
    if start is None or now != list(range(start, start + len(now))):
        return None
    return start, start + len(now) - 1


def measure(
    repository: Repository, commits: int, notes: int, seed: int, show: Callable[[str], None]
) -> tuple[Counter[str], Counter[str], float]:
    """Return the outcomes of our method and of the naive one, and the milliseconds a file."""
    chosen = random.Random(seed)
    since = repository.commit(commits)
    paths = repository.files(since)
    changed = repository.git("diff", "--name-only", "--no-renames", "-z", since, "HEAD").split(
        b"\0"
    )
    changed_paths = {name.decode("utf-8", "surrogateescape") for name in changed}
    paths = [path for path in paths if path in changed_paths]
    chosen.shuffle(paths)
    ours, naive, seconds, files = Counter[str](), Counter[str](), 0.0, 0
    for path in paths:
        if ours.total() >= notes:
            break
        then = repository.text(since, path)
        if not then or not (put := put_notes(split(then), NOTES_A_FILE, chosen)):
            continue
        places = repository.follow(since, path, len(split(then)))
        now = repository.text("HEAD", path)
        began = time.perf_counter()
        there = None if now is None else finished(Text.indexed(split(now)))
        found = [None if there is None else there.locate(one.range, one.anchor) for one in put]
        seconds += time.perf_counter() - began
        files += 1
        count = 0 if now is None else len(split(now))
        for note, place in zip(put, found, strict=True):
            true = None if now is None else survives(note, places)
            ended = outcome(None if place is None else lines_of(place), true)
            ours[ended] += 1
            naive[outcome((note.first, note.last) if note.last < count else None, true)] += 1
            if ended in {"wrong", "placed"}:
                show(
                    f"{ended}: {path}:{note.first + 1} -> {place and place.start.line + 1}, true"
                    f" {true and true[0] + 1}: {note.anchor.quote[:70]!r}"
                )
    return ours, naive, 1000 * seconds / max(1, files)


def cost() -> float:
    """Return the milliseconds for 20 notes in a file of 1,000 lines: the best of some rounds."""
    chosen = random.Random(1)
    words = ["return", "if", "self", "value", "None", "else", "index", "text", "found", "line"]
    lines = [
        "    " * chosen.randrange(4) + " ".join(chosen.choices(words, k=chosen.randrange(9))) + "\n"
        for _ in range(1000)
    ]
    notes = put_notes(lines, NOTES_A_FILE, chosen)
    text = "".join([f"# {number}\n" for number in range(7)] + lines)
    best = float("inf")
    for _ in range(20):
        began = time.perf_counter()
        there = finished(Text.indexed(split(text)))
        for note in notes:
            there.locate(note.range, note.anchor)
        best = min(best, time.perf_counter() - began)
    return 1000 * best


def make_repository(folder: Path, commits: int) -> Repository:
    """Make a repository of a few files whose lines are inserted, removed, changed and moved."""
    chosen = random.Random(7)
    repository = Repository(folder)
    repository.git("init", "-q")
    settings = ("-c", "user.name=test", "-c", "user.email=test@example.invalid")
    files = {
        f"file{number}.py": [_line(chosen) for _ in range(chosen.randrange(100, 400))]
        for number in range(10)
    }
    for _ in range(commits + 1):
        for name, lines in files.items():
            _edit(lines, chosen)
            (folder / name).write_text("".join(lines), encoding="utf-8")
        repository.git("add", "-A")
        repository.git(*settings, "commit", "-q", "--no-gpg-sign", "-m", "change")
    return repository


def _line(chosen: random.Random) -> str:
    indent = "    " * chosen.randrange(3)
    usual = ("", "}", "return None", "else:", "pass", "continue")
    if chosen.random() < 0.4:
        return f"{indent}{chosen.choice(usual)}\n"
    return f"{indent}value_{chosen.randrange(10**6)} = compute({chosen.randrange(100)})\n"


def _edit(lines: list[str], chosen: random.Random) -> None:
    at, size = chosen.randrange(len(lines)), chosen.randrange(1, 6)
    what = chosen.choice(("insert", "remove", "change", "copy"))
    if what == "copy":
        start = chosen.randrange(len(lines))
        lines[at:at] = lines[start : start + size]
    else:
        fresh = [] if what == "remove" else [_line(chosen) for _ in range(size)]
        lines[at : at if what == "insert" else at + size] = fresh


def main() -> int:
    """Measure, print and return the exit status."""
    options = argparse.ArgumentParser(description="Do notes stay on their lines?")
    options.add_argument("repository", nargs="?", type=Path, help="the path of a git repository")
    options.add_argument("--commits", type=int, default=200, help="how many to move on by")
    options.add_argument("--notes", type=int, default=1000, help="how many to put")
    options.add_argument("--seed", type=int, default=1, help="which lines are chosen")
    options.add_argument("--verbose", action="store_true", help="print what was placed elsewhere")
    options.add_argument("--smoke", action="store_true", help="a repository of its own, 20 commits")
    given = options.parse_args()
    if not given.smoke and given.repository is None:
        options.error("give the path of a repository, or --smoke")

    def show(line: str) -> None:
        if given.verbose:
            print(line)

    with tempfile.TemporaryDirectory() as folder:
        repository, commits = Repository(given.repository), given.commits
        if given.smoke:
            repository, commits = make_repository(Path(folder), 20), 20
        ours, naive, milliseconds = measure(repository, commits, given.notes, given.seed, show)
    print(f"{ours.total()} notes, {commits} commits on")
    print(f"{'':18}{'right':>7}{'wrong':>7}{'lost':>7}{'gone':>7}{'placed':>7}{'ms a file':>11}")
    for name, counts, each in (
        ("same line number", naive, ""),
        ("anchors", ours, f"{milliseconds:.2f}"),
    ):
        columns = "".join(f"{counts[key]:7}" for key in ("right", "wrong", "lost"))
        gone = counts["gone"] + counts["placed"]
        print(f"{name:18}{columns}{gone:7}{counts['placed']:7}{each:>11}")
    milliseconds = cost()
    print(f"20 notes in a file of 1,000 lines: {milliseconds:.2f} ms (bar: {BAR:.0f} ms)")
    return 1 if ours["wrong"] else 0


if __name__ == "__main__":
    sys.exit(main())
