"""What the MCP server reads: stdin, line by line."""

from __future__ import annotations

import io
import re
import sys
from collections.abc import AsyncIterator
from typing import Final

import anyio

_SURROGATE: Final = re.compile(
    r"\\(?:u(d[89ab]..)(\\ud[c-f]..)?|u(d[c-f]..)|.)", re.IGNORECASE | re.DOTALL
)


class Input:
    """The lines of stdin; half a surrogate pair in a string of JSON becomes U+FFFD."""

    async def __aiter__(self) -> AsyncIterator[str]:
        lines = anyio.wrap_file(io.TextIOWrapper(sys.stdin.buffer, "utf-8", "replace"))
        async for line in lines:
            yield _SURROGATE.sub(_whole, line) if "\\ud" in line.lower() else line


def _whole(found: re.Match[str]) -> str:
    is_half = found[3] is not None or (found[1] is not None and found[2] is None)
    return "\\ufffd" if is_half else found[0]
