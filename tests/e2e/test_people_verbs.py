"""``tenets-session`` in a pipe: each verb, with a daemon and without, in the same words."""

from __future__ import annotations

import itertools
import json
import os
import re
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from support import shared
from support.ending_daemon import ending_daemon
from support.foreign import NOW, ForeignWriter
from support.people import Person, an_editor
from support.pipes import DEADLINE
from tenets_session_server.cli.invocation import Invocation
from tenets_session_server.cli.output import Output
from tenets_session_server.client import client, feed
from tenets_session_server.methods.table import BY_NAME
from tenets_session_server.wire import framing


def test_a_day_with_sessions(person: Person) -> None:
    assert person.does() == "No session is current here.\n"
    assert person.does("create", "fix login", "--switch") == "fix login\n"
    assert person.does("create", "parser") == "parser\n"
    assert person.does("note", "the", "token", "is", "refreshed", "twice") == "1\n"
    assert person.does("note", given="piped\ntext\n") == "2\n"
    assert person.does("note", "-", "--kind", "log", given="a log") == "3\n"
    assert person.does() == "fix login\n"
    shown = person.gets("show")
    assert [(one["kind"], one["content"]) for one in shown["entries"]] == [
        ("note", "the token is refreshed twice"),
        ("note", "piped\ntext"),
        ("log", "a log"),
    ]
    assert {one["author"] for one in shown["entries"]} == {"tenets-session"}
    assert person.does("list") == "parser\nfix login\n"
    assert person.does("list", "fix") == "fix login\n"
    form = "{id}|{name}|{notes}|{active}|{current}"
    assert person.does("list", "--format", form) == "2|parser|0||\n1|fix login|3|active|*\n"
    assert person.does("search", "tok") == "1\tfix login\tthe token is refreshed twice\n"
    assert person.does("switch", "parser") == "parser\n"
    assert person.does("exit") == "parser\n"
    assert person.does() == "No session is current here.\n"
    assert person.does("resume") == "parser\n"
    assert person.does("rename", "parser", "parser 2") == "parser 2\n"
    assert person.does("copy", "fix login", "fix login 2") == "fix login 2\n"
    assert person.gets("status")["entries"] == []
    assert person.does("show", "--id", "2") == "piped\ntext\n"
    assert person.gets("stats")["sessions"] == 3


def test_what_is_removed_comes_back(person: Person) -> None:
    for number in range(3):
        person.does("note", f"note {number}", "--session", "a")
    assert person.does("remove", "2", "3") == "2\n3\n"
    person.does("reset", "a")
    assert person.gets("show", "a")["entries"] == []
    person.does("delete", "a")
    assert person.does("list") == ""
    items = person.gets("trash")["items"]
    assert [(one["type"], one["entries"]) for one in items] == [
        ("sessions", 0),
        ("context", 1),
        ("context", 1),
        ("context", 1),
    ]
    assert person.does("restore") == "a with 0 notes\n"
    person.does("restore", *(str(one["id"]) for one in items[1:]))
    contents = [one["content"] for one in person.gets("show", "a")["entries"]]
    assert contents == ["note 0", "note 1", "note 2"]
    person.does("clear", "--yes")
    assert person.does("list") == ""
    lines = person.does("trash").splitlines()
    assert [line.split("\t")[2] for line in lines] == ["a with 3 notes"]
    person.does("restore", "--as", "b")
    assert person.does("list") == "b\n"
    person.does("delete", "b")
    assert person.does("trash", "--empty", "--yes") == "1\n"
    assert person.does("trash") == ""


def test_folders_show_sessions_of_their_own(person: Person) -> None:
    person.does("create", "a", "--switch")
    person.does("create", "b")
    below = person.folder / "src"
    below.mkdir()
    assert person.does("bind", "b") == "b\n"
    for arguments in (("prompt",), ("-C", str(below), "prompt"), ()):
        assert person.does(*arguments) == "b\n"
    assert person.does("-C", "/", "prompt") == "a\n"
    assert person.gets("status")["binding"] == str(person.folder)
    assert person.does("note", "in b") == "1\n"
    assert person.gets("show", "b")["entries"][0]["content"] == "in b"
    assert person.does("bind", "--list") == f"{person.folder}\tb\n"
    assert person.does("unbind") == "a\n"
    assert person.does("prompt") == "a\n"


def test_files_are_pinned_as_the_public_package_does(person: Person) -> None:
    person.does("create", "a", "--switch")
    (person.folder / "auth.py").touch()
    person.does("pin", "auth.py", "../app/other.py")
    expected = [str(person.folder / "auth.py"), str(person.folder / "other.py")]
    assert person.does("pins") == "".join(f"{path}\n" for path in expected)
    assert person.gets("show")["metadata"]["pinned_files"] == expected
    person.does("unpin", "auth.py")
    assert person.gets("pins") == {"pinned": expected[1:]}


@pytest.mark.parametrize(
    ("place", "lines"), [("auth.py:3-7", (2, 7)), ("auth.py:3", (2, 3)), ("auth.py", None)]
)
def test_a_note_says_where_it_belongs(
    alone: Person, place: str, lines: tuple[int, int] | None
) -> None:
    alone.does("note", "why?", "--session", "a", "--at", place)
    location = alone.gets("show", "a")["entries"][0]["location"]
    assert location["uri"] == (alone.folder / "auth.py").as_uri()
    if lines is None:
        assert "range" not in location
    else:
        assert location["range"] == {
            "start": {"line": lines[0], "character": 0},
            "end": {"line": lines[1], "character": 0},
        }
    assert f"at {alone.folder / place}" in alone.does("show", "a")


def test_a_note_at_a_line_stays_on_it(person: Person) -> None:
    (person.folder / "auth.py").write_text("import time\n\n\ndef log_in():\n    pass\n")
    person.does("note", "why?", "--session", "a", "--at", "auth.py:4-5")
    location = person.gets("show", "a")["entries"][0]["location"]
    assert location["anchor"]["quote"] == "def log_in():\npass"
    assert "why?" in person.does("show", "a")


def test_a_note_is_changed(person: Person) -> None:
    person.does("note", "before", "--session", "a")
    assert person.does("edit", "1", "after") == "1\n"
    assert person.does("edit", "1", "-", "--kind", "todo", given="piped") == "1\n"
    entry = person.gets("show", "a")["entries"][0]
    assert (entry["kind"], entry["content"]) == ("todo", "piped")


def test_export_and_import(person: Person) -> None:
    for number in range(5):
        person.does("note", f"note {number}", "--session", "a")
    document = person.does("export")
    assert len(json.loads(document)["sessions"][0]["context"]) == 5
    assert person.fails("import", given=document)[0] == 4
    assert person.does("import", "--on-conflict", "rename", given=document) == "1\n"
    assert person.does("list") in {"a\na (2)\n", "a (2)\na\n"}
    person.does("export", "a", "--output", "a.json")
    assert json.loads((person.folder / "a.json").read_text())["sessions"][0]["name"] == "a"
    assert [one.name for one in person.folder.iterdir()] == ["a.json"]
    assert person.does("import", "a.json", "--on-conflict", "skip") == "0\n"
    assert "> note 0" in person.does("export", "a", "--format", "markdown")
    status, sentence = person.fails("import", given='{"format": "tenets-sessions"')
    assert status == 1
    assert "line 1" in sentence


@pytest.mark.parametrize(
    ("arguments", "status", "sentence"),
    [
        (("switch", "no such"), 3, "no session is named 'no such'; see `tenets-session list`"),
        (("show", "no such"), 3, "no session is named no such; see `tenets-session list`"),
        (("note", "x"), 3, "no session is active: name one, or activate one; see `tenets-session"),
        (("show",), 3, "no session is current here: switch to one, or create one"),
        (("exit",), 3, "no session is active"),
        (("remove", "7"), 3, "there is no note 7; see `tenets-session show`"),
        (("edit", "7", "x"), 3, "there is no note 7; see `tenets-session show` for the ids"),
        (("restore", "7"), 3, "see `tenets-session trash`"),
        (("restore",), 3, "the trash is empty"),
        (("delete", "no such"), 3, "no session is named no such; see `tenets-session list`"),
        (("create", "a"), 4, "switch to it, or choose another name"),
        (("create", ""), 2, "name: expected 1 to 255 characters"),
        (("create", "x", "--metadata", "["), 2, "--metadata: expected a JSON object"),
        (("create", "x", "--metadata", "[]x"), 2, "--metadata: expected a JSON object"),
        (("list", "--format", "{nmae}"), 2, "there is no {nmae}, but {name} {id}"),
        (("list", "--limit", "0"), 2, "0 is not in the range"),
        (("note", "--at", "x:9-3", "-s", "a", "y"), 2, "--at: expected lines from 1 on"),
        (("note", "-s", "a", ""), 2, "the note is empty"),
        (("--author", "", "list"), 2, "--author: expected 1 to 64 characters"),
        (("--author", "a\nb", "list"), 2, "--author: expected 1 to 64 characters"),
        (("create", "x", "-m", '{"a": NaN}'), 2, "--metadata: expected a JSON object"),
        (("create", "x", "-m", '{"a": 1e400}'), 2, "--metadata: expected a JSON object"),
        (("create", "x", "-m", '{"a": "\\ud800"}'), 2, "--metadata: expected a JSON object"),
        (("create", "x", "-m", "[1]"), 2, "--metadata: expected a JSON object"),
        (("create", "x", "-m", '{"a":' * 70 + "1" + "}" * 70), 2, "with at most 60 levels"),
        (("create", "x", "-m", "[" * 20_000), 2, "--metadata: expected a JSON object"),
        (("list", "--format", "{id:999999999}"), 2, "expected fields such as {name}"),
        (("list", "--limit", "9" * 30), 2, "is not in the range"),
        (("remove", "9" * 30), 2, "is not in the range"),
        (("trash", "--empty", "--remove", "1", "-y"), 2, "give one of them"),
        (("pins", "no such"), 3, "no session is named no such"),
        (("pin", "x", ""), 2, "expected the names of files, got an empty one"),
        (("watch", "--since", "garbage"), 2, "--since: expected a state such as"),
        (("create", "\udcff"), 2, "an argument is not UTF-8"),
        (("clear",), 2, "repeat it with --yes"),
        (("trash", "--empty"), 2, "repeat it with --yes"),
        (("switch",), 2, "name a session: nobody can be asked here"),
        (("swich",), 2, "there is no verb 'swich', did you mean switch?"),
        (("show", "--nonsense"), 2, "see `tenets-session show --help`"),
        (("-C", "/no/such/folder"), 2, "No such file or directory"),
        (("--database", "postgresql://u:secret@h/d"), 2, "expected a file, got a URL"),
        (("import", "no such file"), 1, "no such file: No such file or directory"),
    ],
)
def test_errors_are_one_sentence_and_a_status(
    alone: Person, arguments: tuple[str, ...], status: int, sentence: str
) -> None:
    alone.does("create", "a")
    found, said = alone.fails(*arguments)
    assert found == status, said
    assert sentence in said
    assert "secret" not in said


def test_input_that_is_no_utf8_is_refused_and_nothing_is_written(alone: Person) -> None:
    status, sentence = alone.fails("note", "-s", "a", given=b"caf\xe9")
    assert (status, sentence.partition(";")[0]) == (2, "stdin: expected UTF-8, got byte 0xe9 at 3")
    assert alone.does("list") == ""


def test_a_text_from_a_pipe_is_kept_if_it_cannot_be_stored(alone: Person, database: Path) -> None:
    alone.does("create", "a", "--switch")
    database.chmod(0o400)
    database.parent.chmod(0o500)
    if os.access(database, os.W_OK):  # root may write to anything: have it damaged instead
        database.parent.chmod(0o700)
        database.chmod(0o600)
        with ForeignWriter(database) as foreign:
            foreign.execute(
                "CREATE TRIGGER refuse BEFORE INSERT ON session_context"
                " BEGIN SELECT RAISE(ABORT, 'refused'); END"
            )
    done = alone.run("note", given="what I have thought")
    assert (done.returncode, done.stdout) == (1, "")
    found = re.search(r"the text is kept in (\S+)", done.stderr)
    assert found is not None, done.stderr
    kept = Path(found[1])
    assert kept.read_text() == "what I have thought"
    kept.unlink()


def test_texts_of_others_are_inert(alone: Person, database: Path) -> None:
    evil = "\x1b[31mred\x07 \u202etxt.exe\nsecond"
    alone.does("create", "a", "--switch")
    with ForeignWriter(database) as foreign:
        foreign.create(evil)
        foreign.add_context("a", evil)
    for arguments in (("list",), ("show",), ("search", "second"), ("status",), ("trash",)):
        shown = alone.does(*arguments)
        assert not re.search("[\x00-\x08\x0b-\x1f\u202e]", shown), arguments
    assert r"\x1b[31mred\x07 \u202etxt.exe\nsecond" in alone.does("list")
    for arguments in (("list", "--json"), ("show", "--json")):
        text = alone.does(*arguments)
        assert not re.search("[\x00-\x08\x0b-\x1f\u202e]", text)
        assert evil in str(json.loads(text)) or json.dumps(evil)[1:-1] in text


def test_colours_only_where_they_are_wanted(alone: Person) -> None:
    alone.does("note", "a token here", "-s", "a")
    assert "\x1b" not in alone.does("search", "token")
    assert "\x1b[31m" in alone.does("--color", "always", "search", "token")


def test_the_author_is_named(person: Person) -> None:
    person.does("--author", "Ada", "note", "x", "-s", "a")
    assert person.gets("show", "a")["entries"][0]["author"] == "Ada"
    assert "by Ada" in person.does("show", "a")


def test_no_process_is_left_behind(alone: Person, database: Path) -> None:
    alone.does("create", "a")
    alone.does("list")
    folder = Path(os.environ["XDG_RUNTIME_DIR"])
    assert [path for path in folder.rglob("*.sock") if database.name in str(path)] == []
    with an_editor(alone):
        assert alone.does("list") == "a\n"
        clients = alone.gets("stats")["clients"]
        assert [one["name"] for one in clients] == [None, "tenets-session"]
    shared.stop(database)


def test_the_database_that_the_server_uses_is_used(tmp_path: Path) -> None:
    person = Person(tmp_path / "unused.db", tmp_path / "app")
    person.environment["TENETS_CACHE_DIRECTORY"] = str(tmp_path / "named")
    done = subprocess.run(
        [person.command()[0], "create", "a"], env=person.environment, check=True, timeout=DEADLINE
    )
    assert done.returncode == 0
    assert (tmp_path / "named" / "tenets.db").exists()
    del person.environment["TENETS_CACHE_DIRECTORY"]
    subprocess.run(
        [person.command()[0], "create", "a"], env=person.environment, check=True, timeout=DEADLINE
    )
    assert (person.home / ".tenets" / "cache" / "tenets.db").exists()


def test_a_prompt_creates_nothing_and_complains_of_nothing(alone: Person, database: Path) -> None:
    done = alone.run("prompt")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert not database.parent.exists()
    database.parent.mkdir()
    database.write_bytes(b"no database at all, but long enough to look at" * 100)
    done = alone.run("prompt")
    assert (done.returncode, done.stdout, done.stderr) == (1, "", "")
    assert database.read_bytes().startswith(b"no database at all")


def test_a_prompt_reads_a_file_of_the_public_package(alone: Person, database: Path) -> None:
    with ForeignWriter.on_new_file(database) as foreign:
        foreign.create("old", {"active": True})
        foreign.create("new")
        before = foreign.objects()
        assert alone.does("prompt") == "old\n"
        assert foreign.objects() == before


@pytest.mark.parametrize("arguments", [["prompt"], ["--complete-names", "a"]])
def test_what_a_shell_waits_for_imports_little(
    alone: Person, database: Path, arguments: list[str]
) -> None:
    alone.does("create", "abc", "--switch")
    program = (
        "import sys\n"
        "from tenets_session_server.cli import session\n"
        f"status = session.main(['--database', {str(database)!r}, *{arguments!r}])\n"
        "heavy = {'click', 'rich', 'msgspec', 'pygls', 'asyncio', 'questionary', 'json'}\n"
        "print(status, sorted(heavy & sys.modules.keys()))\n"
    )
    python = str(Path(alone.command()[0]).with_name("python"))
    shown = subprocess.run(
        [python, "-c", program],
        capture_output=True,
        text=True,
        check=True,
        env=alone.environment,
        cwd=alone.folder,
    )
    assert shown.stdout == "abc\n0 []\n"


def test_watch_prints_changes_with_and_without_a_daemon(alone: Person, database: Path) -> None:
    alone.does("create", "a", "--switch")
    state = alone.gets("stats")["state"]
    alone.does("note", "missed")
    with subprocess.Popen(
        alone.command("watch", "--json", "--since", state),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=alone.environment,
        cwd=alone.folder,
    ) as watch:
        assert watch.stdout is not None
        assert watch.stderr is not None

        def next_change() -> str:
            assert watch.stdout is not None
            (change,) = json.loads(watch.stdout.readline())["changes"]
            return f"{change['type']} {change['contextId']} {change['author']}"

        assert next_change() == "contextAdded 1 tenets-session"
        alone.does("note", "without a daemon")
        assert next_change() == "contextAdded 2 tenets-session"
        with an_editor(alone):
            alone.does("--author", "Ada", "note", "with a daemon")
            assert next_change() == "contextAdded 3 Ada"
        shared.stop(database)
        alone.does("note", "it has ended")
        assert next_change() == "contextAdded 4 tenets-session"
        watch.send_signal(signal.SIGINT)
        assert watch.wait(DEADLINE) == 0
        assert watch.stderr.read() == b""


def test_watch_tells_what_is_committed_while_it_catches_up_once(
    alone: Person, database: Path
) -> None:
    alone.does("create", "a")
    with an_editor(alone), ForeignWriter(database) as foreign:
        state = alone.gets("stats")["state"]

        class Watch(Invocation):
            def connect(self, *, notifications: bool = False) -> client.Client:
                attached = super().connect(notifications=notifications)
                foreign.add_context("a", "while it catches up")
                return attached

        run = Watch(str(database), "named by --database", "me", Output("never", paged=False))
        batches = feed.follow(lambda: run.connect(notifications=True), state)
        told = [one["contextId"] for one in next(batches)["changes"]]
        foreign.add_context("a", "later")
        told += [one["contextId"] for one in next(batches)["changes"]]
        batches.close()
    assert told == [1, 2]
    shared.stop(database)


def test_nothing_is_missed_between_two_looks_at_the_database(alone: Person, database: Path) -> None:
    alone.does("create", "a")
    looks = itertools.count(1)

    class Late(client.Client):
        def call(self, verb: str, **params: Any) -> Any:
            result = super().call(verb, **params)
            if next(looks) in {2, 5}:  # right after a look
                foreign.add_context("a", "a note")
            return result

    with ForeignWriter(database) as foreign:
        batches = feed.follow(lambda: Late(str(database), "named by --database", folder="/"))
        assert next(batches)["changes"][0]["contextId"] == 1
        batches.close()


def test_watch_goes_on_beside_a_daemon_that_ends_as_it_begins(
    alone: Person, database: Path
) -> None:
    alone.does("create", "a", "--switch")
    state = alone.gets("stats")["state"]
    alone.does("note", "missed")
    with (
        ending_daemon(database, 1) as read,
        subprocess.Popen(
            alone.command("watch", "--json", "--since", state),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=alone.environment,
            cwd=alone.folder,
        ) as watch,
    ):
        assert watch.stdout is not None
        assert watch.stderr is not None
        (change,) = json.loads(watch.stdout.readline())["changes"]
        assert change["contextId"] == 1
        watch.send_signal(signal.SIGINT)
        assert watch.wait(DEADLINE) == 0
        assert watch.stderr.read() == b""
    assert set(read) == {"initialize"}


def test_an_import_that_is_broken_off_leaves_nothing(alone: Person, database: Path) -> None:
    alone.does("create", "before")
    with subprocess.Popen(
        alone.command("import"),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=alone.environment,
    ) as importing:
        assert importing.stdin is not None
        entry = {"kind": "note", "content": "x" * 1000, "createdAt": NOW}
        head = {"format": "tenets-sessions", "version": 1, "exportedAt": NOW}
        session = {"name": "large", "createdAt": NOW, "metadata": {}}
        importing.stdin.write(json.dumps(head)[:-1].encode() + b', "sessions": [')
        importing.stdin.write(json.dumps(session)[:-1].encode() + b', "context": [')
        with ForeignWriter(database) as foreign:
            while foreign.rows("SELECT count(*) FROM session_context") == [(0,)]:
                importing.stdin.write(f"{json.dumps(entry)},\n".encode() * 200)
                importing.stdin.flush()
        importing.send_signal(signal.SIGINT)
        assert importing.wait(DEADLINE) == 1
        assert importing.stderr is not None
        assert b"Traceback" not in importing.stderr.read()
    assert alone.does("list") == "before\n"
    assert alone.does("trash") == ""
    with an_editor(alone), ForeignWriter(database) as foreign:  # which removes what was staged
        while foreign.rows("SELECT count(*) FROM session_context") != [(0,)]:
            alone.does("list")
    shared.stop(database)


def test_an_export_that_is_broken_off_leaves_no_file(alone: Person, database: Path) -> None:
    alone.does("create", "a")
    with ForeignWriter(database) as foreign:
        foreign.add_much_context("a", 200_000)
    with subprocess.Popen(
        alone.command("export", "--output", "all.json"),
        stderr=subprocess.PIPE,
        env=alone.environment,
        cwd=alone.folder,
    ) as exporting:
        while not list(alone.folder.iterdir()):
            assert exporting.poll() is None
        exporting.send_signal(signal.SIGINT)
        assert exporting.wait(DEADLINE) == 1
    assert list(alone.folder.iterdir()) == []


def test_a_reader_that_has_seen_enough_is_no_error_on_stderr(alone: Person) -> None:
    for number in range(3):
        alone.does("note", f"{number} " + "x" * 100_000, "-s", "a")
    command = " ".join(alone.command("show", "a"))
    shown = subprocess.run(
        ["bash", "-c", f"{command} | head -n 1"],
        capture_output=True,
        text=True,
        check=False,
        env=alone.environment,
        timeout=DEADLINE,
    )
    assert (shown.returncode, shown.stdout, shown.stderr) == (0, "a\n", "")


def test_a_session_whose_name_is_no_utf8_can_be_renamed(person: Person, database: Path) -> None:
    person.does("create", "a")
    with ForeignWriter(database) as foreign:
        foreign.execute(
            "INSERT INTO sessions (name, created_at, metadata)"
            " VALUES (CAST(x'ff41' AS TEXT), '2026-01-01', '{}')"
        )
    assert "\ufffdA\n" in person.does("list")
    assert person.does("prompt") == ""
    listed = {one["name"]: one["id"] for one in person.gets("list")["sessions"]}
    person.does("rename", "--session-id", str(listed["\ufffdA"]), "b")
    assert sorted(person.does("list").split()) == ["a", "b"]


def in_shell(person: Person, line: str) -> subprocess.CompletedProcess[str]:
    """Run a line of shell, in which ``tenets-session`` is the command."""
    command = " ".join(person.command())
    return subprocess.run(
        ["bash", "-c", line.replace("tenets-session", command)],
        capture_output=True,
        text=True,
        check=False,
        env=person.environment,
        cwd=person.folder,
        timeout=DEADLINE,
    )


@pytest.mark.parametrize(
    ("line", "status", "said"),
    [
        ("tenets-session note x -s a <&-", 0, ""),
        ("tenets-session note -s a <&-", 2, "the note is empty"),
        ("tenets-session list >&-", 0, ""),
        ("tenets-session list 2>&-", 0, ""),
        ("tenets-session list <&- >&- 2>&-", 0, ""),
        ("tenets-session list > /dev/full", 1, "the output: No space left on device"),
        ("tenets-session show a > /dev/full", 1, "the output: No space left on device"),
        ("tenets-session export > /dev/full", 1, "the output: No space left on device"),
        ("tenets-session export --output /no/such/folder/x", 1, "No such file or directory"),
        ("mkdir d; cd d; rmdir ../d; tenets-session list", 2, "the working directory: No such"),
    ],
)
def test_streams_and_folders_that_are_not_there(
    alone: Person, line: str, status: int, said: str
) -> None:
    alone.does("note", "a note", "-s", "a")
    done = in_shell(alone, line)
    assert done.returncode == status, done
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == (1 if said else 0)


def test_a_text_that_is_larger_than_a_message_is_refused_and_kept(person: Person) -> None:
    person.does("create", "a", "--switch")
    done = person.run("note", given="x" * 17_000_000)
    assert (done.returncode, done.stdout) == (1, "")
    kept = re.search(r"the text is kept in (\S+)", done.stderr)
    assert kept is not None
    assert Path(kept[1]).stat().st_size == 17_000_000
    Path(kept[1]).unlink()
    assert "the text has more than 16,777,216 bytes as JSON: split it" in done.stderr
    assert person.does("note", given="y" * 5_000_000) == "1\n"
    assert person.does("show", "--id", "1") == "y" * 5_000_000 + "\n"


def test_the_largest_message_is_that_of_the_server() -> None:
    assert client.LARGEST_MESSAGE == framing.MAXIMUM_MESSAGE


def test_the_end_of_the_last_line_is_not_part_of_a_note(alone: Person) -> None:
    for given in ("a\nb", "a\nb\n", "a\nb\r\n", "\ufeffa\nb\n"):
        alone.does("note", "-s", "a", given=given)
    assert {one["content"] for one in alone.gets("show", "a")["entries"]} == {"a\nb"}


def test_what_is_done_is_told_before_an_error(person: Person) -> None:
    for name in ("a", "b"):
        person.does("note", "x", "-s", name)
    person.does("delete", "a")
    person.does("create", "a")
    person.does("delete", "b")
    items = [str(one["id"]) for one in person.gets("trash")["items"]]
    done = person.run("restore", "--json", *items)
    assert done.returncode == 4
    assert [one["id"] for one in json.loads(done.stdout)["restored"]] == [int(items[0])]


def test_a_kind_is_changed_without_a_look_at_stdin(person: Person) -> None:
    person.does("note", "precious", "-s", "a")
    assert person.does("edit", "1", "--kind", "decision", given="a line of a loop\n") == "1\n"
    entry = person.gets("show", "a")["entries"][0]
    assert (entry["kind"], entry["content"]) == ("decision", "precious")
    assert person.fails("edit", "1", given="")[0] == 2
    assert person.fails("edit", "1", "")[0] == 2
    assert person.gets("show", "a")["entries"] == [entry]


def test_a_piped_text_is_kept_where_no_session_is_current(person: Person) -> None:
    done = person.run("note", given="precious")
    assert (done.returncode, done.stdout) == (3, "")
    kept = re.search(r"the text is kept in (\S+)", done.stderr)
    assert kept is not None
    assert Path(kept[1]).read_text() == "precious"
    Path(kept[1]).unlink()


def test_a_folder_whose_name_is_no_utf8(person: Person) -> None:
    odd = person.folder / os.fsdecode(b"d\xff")
    odd.mkdir()
    person.does("create", "a")
    for arguments in (("list",), ("bind", "a"), ("prompt",), ("note", "x"), ("pin", "file")):
        done = subprocess.run(
            person.command(*arguments),
            capture_output=True,
            text=True,
            check=False,
            env=person.environment,
            cwd=odd,
            timeout=DEADLINE,
        )
        assert (done.returncode, done.stderr) == (0, ""), (arguments, done)


def test_an_export_goes_where_it_is_sent(alone: Person) -> None:
    alone.does("create", "a")
    target, link = alone.folder / "target.json", alone.folder / "link.json"
    target.write_text("old")
    target.chmod(0o600)
    link.symlink_to(target)
    alone.does("export", "--output", "link.json")
    assert link.is_symlink()
    assert json.loads(target.read_text())["sessions"][0]["name"] == "a"
    assert target.stat().st_mode & 0o777 == 0o600
    os.mkfifo(alone.folder / "pipe")
    with subprocess.Popen(["cat", "pipe"], stdout=subprocess.PIPE, cwd=alone.folder) as reader:
        alone.does("export", "--output", "pipe")
        assert reader.stdout is not None
        assert json.loads(reader.stdout.read())["format"] == "tenets-sessions"


def test_a_read_goes_on_without_the_daemon_that_was_killed(alone: Person, database: Path) -> None:
    alone.does("create", "a")
    with an_editor(alone):
        process = alone.gets("stats")["pid"]
        program = (
            "import os, signal, sys\n"
            "from tenets_session_server.client.client import Client\n"
            f"client = Client({str(database)!r}, 'named by --database', folder='/')\n"
            "assert client.is_attached\n"
            f"os.kill({process}, signal.SIGKILL)\n"
            "print([one['name'] for one in client.call('list')['sessions']])\n"
        )
        shown = subprocess.run(
            [str(Path(alone.command()[0]).with_name("python")), "-c", program],
            capture_output=True,
            text=True,
            check=True,
            env=alone.environment,
        )
    assert shown.stdout == "['a']\n"


def test_every_read_is_repeated_elsewhere() -> None:
    """What a daemon that has ended did not answer is asked of the database itself."""
    assert {one.verb for one in BY_NAME.values() if not one.writes} == client.READS


def test_the_schema_is_that_of_the_server(alone: Person) -> None:
    assert "Change" in json.loads(alone.does("schema"))["$defs"]
