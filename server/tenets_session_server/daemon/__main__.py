"""What Python runs as the daemon: it imports from where the command does, as the command says.

Python is started isolated (``-I``), so its own import path may lack this installation.
"""

import os
import sys

if __name__ == "__main__":
    sys.path[:] = sys.argv.pop(1).split(os.pathsep)
    from tenets_session_server.daemon.process import main

    sys.exit(main())
