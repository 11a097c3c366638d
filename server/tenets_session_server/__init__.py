"""tenets-session-server: one set of work sessions, and one active session, for every editor.

Importing this package opens nothing and imports nothing: the entry points are
:mod:`tenets_session_server.cli` (the command), :mod:`tenets_session_server.storage.session_db`
(the storage, usable as a library) and :mod:`tenets_session_server.rpc.pygls_server`
(the protocol).
"""

__version__ = "0.1.0"
