"""The log: what is written where, and that nothing waits for it.

Each test runs a program, as where a process logs to is a property of all of it.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import textwrap
from pathlib import Path

from support.pipes import DEADLINE
from tenets_session_server import logs

PRELUDE = """
    import logging, os, sys
    from tenets_session_server import logs
    log = logging.getLogger("tenets_session_server.test")
"""


def run(program: str, *arguments: object, stderr: int = subprocess.PIPE) -> str:
    """Run a program, which has to end; return what it wrote to stdout."""
    code = textwrap.dedent(PRELUDE) + textwrap.dedent(program)
    command = [sys.executable, "-c", code, *map(str, arguments)]
    done = subprocess.run(
        command, stdout=subprocess.PIPE, stderr=stderr, text=True, timeout=DEADLINE, check=True
    )
    return done.stdout


def test_a_process_ends_though_its_log_is_not_read() -> None:
    program = """
        logs.log_to(2, "debug")
        log.info("x" * 1_000_000)
        left = logs.add_client_log("client 1", "debug", 2)
        log.info("y")
        left.close()
    """
    reading, writing = os.pipe()
    run(program, stderr=writing)
    os.close(writing)
    os.close(reading)


def test_lines_that_do_not_fit_are_dropped_and_counted() -> None:
    program = """
        reading, writing = os.pipe()
        logs.log_to(writing, "info")
        for number in range(15_000):
            log.info("x" * 100)
        text = b""
        while len(text) < 200_000:  # more than a pipe holds, so some have left the queue
            text += os.read(reading, 65536)
        log.info("the last line")
        while b"the last line" not in text:
            text += os.read(reading, 65536)
        sys.stdout.write(text.decode())
    """
    *others, last = lines = run(program).splitlines()
    # More than one line may say so: there may be room for one while others are dropped.
    counts = [re.findall(r"\(before this, (\d+) lines were dropped\)$", line) for line in lines]
    assert counts[-1], last
    dropped = sum(int(count[0]) for count in counts if count)
    assert len(others) + dropped == 15_000
    assert dropped <= 15_000 - logs.QUEUE_LINES


def test_the_newest_lines_of_a_file_are_in_three_files(tmp_path: Path) -> None:
    program = """
        logs.log_to(sys.argv[1], "info")
        for number in range(2000):
            log.info("%d %s", number, "x" * 4000)
        logging.getLogger().handlers[0].written().result()
    """
    log = tmp_path / "the.log"
    run(program, log)
    oldest, old, new = files = [tmp_path / "the.log.2", tmp_path / "the.log.1", log]
    assert set(tmp_path.iterdir()) == set(files)
    for file in (oldest, old):
        assert 0.9 * logs.FILE_BYTES < file.stat().st_size <= logs.FILE_BYTES
    assert 0 < new.stat().st_size <= logs.FILE_BYTES
    lines = "".join(file.read_text() for file in files).splitlines()
    numbers = [int(line.split(": ")[1].split()[0]) for line in lines]
    assert numbers == list(range(2000 - len(lines), 2000))
    assert all(len(line) < 1.1 * logs.LONGEST_LINE for line in lines)


def test_a_file_that_cannot_be_renamed_grows(tmp_path: Path) -> None:
    program = """
        logs.log_to(sys.argv[1], "info")
        for number in range(2000):
            log.info("x" * 4000)
        logging.getLogger().handlers[0].written().result()
    """
    log = tmp_path / "the.log"
    (tmp_path / "the.log.1" / "a folder in its place").mkdir(parents=True)
    (tmp_path / "the.log.2").write_text("")
    run(program, log)
    assert log.read_text().count("\n") == 2000


def test_a_message_is_one_line_whatever_is_in_it(tmp_path: Path) -> None:
    program = """
        logs.log_to(sys.argv[1], "info")
        try:
            raise ValueError("why")
        except ValueError:
            log.exception("one\\n2026 \\udc80 two")
    """
    log = tmp_path / "the.log"
    run(program, log)
    first, second, *_, last = log.read_text().splitlines()
    assert first.endswith(r"tenets_session_server.test: one\n2026 \udc80 two")
    assert (second, last) == ("Traceback (most recent call last):", "ValueError: why")


def test_a_client_log_has_the_lines_of_that_client(tmp_path: Path) -> None:
    program = """
        logs.log_to(sys.argv[1], "info")
        opened = [os.open(file, os.O_WRONLY | os.O_CREAT) for file in sys.argv[2:]]
        one, two = [
            logs.add_client_log(f"client {number}", "info", descriptor)
            for number, descriptor in enumerate(opened, 1)
        ]
        log.info("for all")
        with logs.client_context("client 1"):
            log.info("for one")
        with logs.client_context("client 2"):
            log.info("for two")
            two.written().result()
            two.close()
            log.info("too late")
        for handler in logging.getLogger().handlers:
            handler.written().result()
    """
    files = [tmp_path / name for name in ("all", "one", "two")]
    run(program, *files)
    found = [re.findall(r"test: (.*)", file.read_text()) for file in files]
    assert found == [
        ["for all", "for one (client 1)", "for two (client 2)", "too late (client 2)"],
        ["for all", "for one"],
        ["for all", "for two"],
    ]
