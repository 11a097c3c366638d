"""Generates the tables and exchanges of PROTOCOL.md and README.md.

    python tests/docs/reference.py --write

It also renews the JSON Schema of the messages (:mod:`docs.schema`).

A table stands between ``<!-- table: KEY -->`` and ``<!-- end -->``, and comes from the types or
options that it describes. An exchange stands between ``<!-- exchange: KEY -->`` and ``<!-- end
-->``, and comes from a real server (:mod:`docs.exchanges`, :mod:`docs.failures`). Without
``--write`` the documents that are out of date are named, and the exit status is 1.
"""

from __future__ import annotations

import argparse
import inspect
import json
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin, get_type_hints

import click
import msgspec
from msgspec import NODEFAULT, UNSET, Raw, Struct, UnsetType

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from docs import captures, exchanges, failures, schema
from tenets_session_server import errors
from tenets_session_server.cli import app as people
from tenets_session_server.cli import options as command_line
from tenets_session_server.methods import stats
from tenets_session_server.methods.method import Method
from tenets_session_server.methods.params import expectations
from tenets_session_server.methods.table import METHODS
from tenets_session_server.models import changes, context, search, sessions, totals, transfer, trash
from tenets_session_server.rpc import lifecycle
from tenets_session_server.wire import framing, streams

ROOT: Final = Path(__file__).parents[2]
DOCUMENTS: Final = (
    ROOT / "server" / "PROTOCOL.md",
    ROOT / "server" / "COMMANDS.md",
    ROOT / "README.md",
)
_BLOCK: Final = re.compile(
    r"(<!-- (?:table: |(exchange): )(.+?) -->\n)(.*?)(<!-- end -->)", re.DOTALL
)
_NAMES: Final = {
    str: "string",
    int: "integer",
    float: "number",
    bool: "boolean",
    Raw: "object",
    NoneType: "null",
}


def table(header: tuple[str, ...], rows: Iterator[tuple[str, ...]]) -> str:
    """Return a Markdown table."""
    lines = [header, tuple("---" for _ in header), *rows]
    return "".join(f"| {' | '.join(map(_escaped, line))} |\n" for line in lines)


def methods() -> str:
    """Return one row for each method."""
    return table(
        ("method", "params", "result", ""),
        (
            (
                f"[`{method.name}`](#tenetssession{method.verb.lower()})",
                ", ".join(_param(field) for field in msgspec.structs.fields(method.params))
                or "none",
                type_name(method.result),
                first_sentence(method.handler),
            )
            for method in METHODS
        ),
    )


def params(verb: str) -> str:
    """Return one row for each member of a method's params."""
    method = next(method for method in METHODS if method.verb == verb)
    expected = expectations(method.params)
    return table(
        ("param", "expected", "default"),
        (
            (f"`{field.encode_name}`", expected[field.encode_name], _default(field))
            for field in params_of(method)
        ),
    )


def members(name: str) -> str:
    """Return one row for each member of a result type."""
    struct = next(getattr(module, name) for module in TYPES_IN if hasattr(module, name))
    hints = get_type_hints(struct, include_extras=True)
    meanings = expectations(struct)
    return table(
        ("member", "type", "meaning"),
        (
            (
                f"`{field.encode_name}`",
                type_name(hints[field.name]),
                meanings[field.encode_name],
            )
            for field in msgspec.structs.fields(struct)
        ),
    )


def kinds() -> str:
    """Return one row for each kind of -32803."""
    return table(
        ("`kind`", "`retryable`", "beside them", "when"),
        (
            (
                f"`{error.kind}`",
                str(error.retryable).lower(),
                ", ".join(f"`{errors.wire_name(member)}`" for member in error.members),
                first_sentence(error),
            )
            for error in _descendants(errors.TenetsSessionError)
            # No client gets either of them.
            if error not in {errors.DatabaseError, errors.InterruptedQueryError}
            and not issubclass(error, errors.InvalidArgumentError)
        ),
    )


def commands() -> str:
    """Return one row for each command, with what it does when it is picked from a list."""
    return table(
        ("command", "without an argument"),
        (
            (
                f"`{method.command}`",
                "Does nothing, and says which argument it needs; returns null."
                if method.pick is None
                else first_sentence(method.pick),
            )
            for method in METHODS
        ),
    )


def limits() -> str:
    """Return one row for each limit."""
    mebibyte = 1024 * 1024
    told = {
        "message": ("bytes of a message", "-32600"),
        "nesting": ("levels of nested JSON", "-32600"),
        "metadata": ("bytes of a session's metadata, as JSON", "`limitExceeded`"),
        "page": ("sessions, entries or changes of one page", "-32602"),
        "piece": ("bytes of a content in one reply", "-32602"),
        "name": ("characters of a name", "-32602"),
        "kind": ("characters of a kind", "-32602"),
        "author": ("characters of an author", "-32602"),
        "identityKey": ("characters of an identity key", "-32602"),
        "location": ("bytes of a location, as JSON", "`limitExceeded`"),
        "text": ("characters of a text in which notes are located", "`limitExceeded`"),
        "uri": ("characters of a URI or path", "-32602"),
        "folders": ("folders of one window", "further ones are left out, with a warning"),
    }
    rows = [(f"`{key}`", *told[key], f"{limit:,}") for key, limit in lifecycle.LIMITS.items()]
    rows += [
        ("", "bytes of a header", "framing error", f"{framing.MAXIMUM_HEADER:,}"),
        (
            "",
            "replies that are not read",
            "the connection is dropped",
            f"{streams.OVERFLOW_BYTES // mebibyte} MiB",
        ),
    ]
    return table(
        ("in `limits`", "what", "limit", "beyond it"),
        ((key, what, limit, beyond) for key, what, beyond, limit in rows),
    )


def options() -> str:
    """Return one row for each option of the command."""
    return table(
        ("option", ""),
        (
            (f"`{', '.join(_with_value(action)) or action.metavar}`", str(action.help))
            for action in command_line.parser()._actions
        ),
    )


def verbs() -> str:
    """Return a section for each verb of ``tenets-session``: usage, help, examples, options."""
    context = click.Context(people.verbs, info_name="tenets-session")
    parts = list[str]()
    for name in people.verbs.list_commands(context):
        verb = people.verbs.get_command(context, name)
        assert verb is not None
        usage = " ".join(("tenets-session", name, *verb.collect_usage_pieces(context)))
        about, _, examples = inspect.cleandoc(verb.help or "").partition("\b\n")
        parts.append(f"### {name}\n\n`{usage}`\n\n{about.strip()}\n")
        parts.append(f"```\n{examples.strip()}\n```\n")
        if options := _people_options(verb):
            parts.append(options)
    return "\n".join(["", *parts, ""])


def people_options() -> str:
    """Return one row for each option that stands before a verb of ``tenets-session``."""
    return _people_options(people.verbs)


def _people_options(command: click.Command) -> str:
    rows = list[tuple[str, ...]]()
    for option in command.params:
        if isinstance(option, click.Option) and option.opts != ["--help"]:
            value = option.metavar or ""
            if isinstance(option.type, click.Choice):
                value = "{" + ",".join(option.type.choices) + "}"
            elif not option.is_flag and not value:
                value = option.name.upper() if option.name else ""
            flags = ", ".join(sorted(option.opts, key=len))
            default = option.default
            shown = f" (default: {default})" if option.show_default and default else ""
            rows.append((f"`{f'{flags} {value}'.strip()}`", f"{option.help or ''}{shown}"))
    return table(("option", ""), iter(rows)) if rows else ""


TYPES_IN: Final = (changes, context, search, sessions, totals, trash, transfer, stats, lifecycle)
"""The modules that define the types of results."""
TABLES: Final[dict[str, Callable[..., str]]] = {
    "methods": methods,
    "params": params,
    "type": members,
    "kinds": kinds,
    "commands": commands,
    "limits": limits,
    "options": options,
    "people": people_options,
    "verbs": verbs,
    "capture": captures.recorded,
}


def renewed(text: str, command: tuple[str, ...] = exchanges.COMMAND) -> str:
    """Return a document with up-to-date tables and exchanges."""

    def renew(block: re.Match[str]) -> str:
        if block[3] == "kinds" and block[2]:
            return f"{block[1]}{failures.recorded()}{block[5]}"
        if block[2]:
            return f"{block[1]}{exchanges.recorded(command)[block[3]]}{block[5]}"
        name, *arguments = block[3].split()
        return f"{block[1]}{TABLES[name](*arguments)}{block[5]}"

    return _BLOCK.sub(renew, text)


def keys(text: str) -> list[str]:
    """Return the keys of a document's tables and exchanges."""
    return [block[3] for block in _BLOCK.finditer(text)]


def params_of(method: Method[Any]) -> tuple[msgspec.structs.FieldInfo, ...]:
    """Return the params of a method."""
    return msgspec.structs.fields(method.params)


def struct_names(annotation: Any) -> list[str]:
    """Return the names of the message types in a type."""
    if isinstance(annotation, type) and issubclass(annotation, Struct):
        return [annotation.__name__]
    return [name for one in get_args(annotation) for name in struct_names(one)]


def type_name(annotation: Any) -> str:
    """Return a type in JSON's words."""
    if annotation in _NAMES:
        return _NAMES[annotation]
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return type_name(arguments[0])
    if origin in {Union, UnionType}:
        return " or ".join(type_name(one) for one in arguments if one is not UnsetType)
    if origin is dict:
        return "object"
    if origin is list:
        return f"array of {type_name(arguments[0])}"
    if origin is Literal:
        return " or ".join(map(json.dumps, arguments))
    assert issubclass(annotation, Struct), annotation
    return f"`{annotation.__name__}`"


def first_sentence(documented: object) -> str:
    """Return the first line of a docstring, as Markdown."""
    text = (inspect.getdoc(documented) or "").splitlines()[0]
    return re.sub(r":\w+:`~?([^`]+)`", r"`\1`", text.replace("``", "`"))


def _param(field: msgspec.structs.FieldInfo) -> str:
    return f"`{field.encode_name}{'' if field.default is NODEFAULT else '?'}`"


def _default(field: msgspec.structs.FieldInfo) -> str:
    if field.default is NODEFAULT:
        return "required"
    if isinstance(field.default, Raw):
        return f"`{bytes(field.default).decode()}`" if field.default else ""
    if field.default is None or field.default is UNSET:
        return ""
    return f"`{msgspec.json.encode(field.default).decode()}`"


def _escaped(cell: str) -> str:
    return cell.replace("|", r"\|")


def _descendants(
    error: type[errors.TenetsSessionError],
) -> Iterator[type[errors.TenetsSessionError]]:
    for child in error.__subclasses__():
        yield child
        yield from _descendants(child)


def _with_value(action: argparse.Action) -> list[str]:
    value = action.metavar or ("{" + ",".join(action.choices) + "}" if action.choices else "")
    return [f"{option} {value}".strip() for option in action.option_strings]


def write_or_check(
    description: str, command: str, fresh: Mapping[Path, Callable[[str], str]]
) -> int:
    """Write files, or name the stale ones and the command for it; return the exit status.

    ``fresh`` returns what a file should have, given what it has.
    """
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--write", action="store_true", help="instead of only naming stale files")
    write = parser.parse_args().write
    status = 0
    for file, renew in fresh.items():
        text = file.read_text(encoding="utf-8") if file.exists() else ""
        if (new := renew(text)) == text:
            continue
        if write:
            file.write_text(new, encoding="utf-8")
        else:
            print(f"{file.relative_to(ROOT)} is out of date: run {command}")
            status = 1
    return status


def main() -> int:
    """Write or check the tables; return the exit status."""
    fresh: dict[Path, Callable[[str], str]] = dict.fromkeys(DOCUMENTS, renewed)
    fresh[schema.FILE] = lambda _text: schema.text()
    return write_or_check("Renew the tables of the documentation.", "this with --write", fresh)


if __name__ == "__main__":
    sys.exit(main())
