"""What Python runs as the daemon, or to make a backup for it.

It imports from where the command does, as the command says. Python is started isolated (``-I``), so
its own import path may lack this installation.
"""

import os
import sys

if __name__ == "__main__":
    sys.path[:] = sys.argv.pop(1).split(os.pathsep)
    if sys.argv[1] == "backup":
        from tenets_session_server.daemon.backup_process import main
    else:
        from tenets_session_server.daemon.process import main

    sys.exit(main())
