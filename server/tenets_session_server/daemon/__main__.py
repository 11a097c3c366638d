"""The shared process, as :mod:`.launch` starts it; nobody else does."""

from __future__ import annotations

import argparse
import sys

from tenets_session_server.daemon.process import run


def main() -> int:
    """Read what was handed over, and serve."""
    options = argparse.ArgumentParser(prog="tenets_session_server.daemon")
    options.add_argument("--database", required=True)
    options.add_argument("--named", action="store_true")
    options.add_argument("--synchronous", required=True)
    options.add_argument("--log-level", required=True)
    given = options.parse_args()
    return run(
        given.database,
        named=given.named,
        synchronous=given.synchronous,
        log_level=given.log_level,
    )


if __name__ == "__main__":
    sys.exit(main())
