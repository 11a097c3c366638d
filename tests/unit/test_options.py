"""The command line: what is parsed without argparse is what argparse would have parsed."""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st

from tenets_session_server.cli import options
from tenets_session_server.cli.options import OPTIONS, Options

WORDS = st.sampled_from(
    [
        *OPTIONS,
        *(f"{flag}=" for flag in OPTIONS),
        *("full", "normal", "off", "debug", "loud", "0", "1.5", "-1", "nan", "1e3", "1e9", "x.db"),
        *("--database=x.db", "--log-level=info", "--synchronous=off", "--idle-timeout=5"),
        *("", "-", "--", "-h", "--version", "--data", "~/x.db", "a=b", "--database=a=b"),
    ]
)


@given(st.lists(WORDS, max_size=5))
@example(["--database", "x.db", "--stdio"])
@example(["--database=a=b", "--log-level", "debug", "--log-level=info"])
@example(["--idle-timeout", "2", "--standalone", "--synchronous", "normal", "--log-file", "x"])
def test_both_parsers_agree(arguments: list[str]) -> None:
    plain = options.parse_without_argparse(arguments)
    if plain is not None:
        assert vars(plain) == {
            name: value
            for name, value in vars(options.parser().parse_args(arguments, Options())).items()
            if value != getattr(Options, name) or name in vars(plain)
        }


def test_the_usual_command_lines_need_no_argparse() -> None:
    for line in ("", "--stdio", "--database x.db", "--database=x.db --log-file y", "--standalone"):
        assert options.parse_without_argparse(line.split()) is not None
