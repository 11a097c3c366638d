"""Bytes to messages and back. It knows no method, no handler and no database.

The core is sans-I/O: :mod:`.framing` (bytes to message bodies) and :mod:`.messages` (bodies to
requests, notifications and responses, and messages to bytes). :mod:`.transport` reads and writes
file descriptors without blocking the event loop.
"""
