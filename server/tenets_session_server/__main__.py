"""``python -m tenets_session_server`` is the same program as ``tenets-session-server``."""

import sys

from tenets_session_server.cli.server import main

if __name__ == "__main__":
    sys.exit(main())
