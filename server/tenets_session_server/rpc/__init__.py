"""JSON-RPC and LSP: everything that knows of messages, methods and error codes.

From the pipe inwards: :mod:`.transport` (file descriptors), :mod:`.framing` (bytes to bodies),
:mod:`.envelope` (bodies to requests), :mod:`.protocol` (who may do what, in which order, one reply
each), :mod:`.methods` (which request means what), :mod:`.handlers` (the doing).
:mod:`.connection` holds one client's together; :mod:`.server` makes what a client talks to.
"""
