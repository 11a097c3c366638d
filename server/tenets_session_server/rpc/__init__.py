"""JSON-RPC and LSP for one connection, and what all connections of a store share.

:mod:`.connection` holds one client's parts together: the transports, the decoder of messages, the
:mod:`.executor` (order, cancellation, one reply), the :mod:`.lifecycle`, and the client itself
(:mod:`.client`). :mod:`.publisher` sends every client what was committed. :mod:`.pygls_server` is
the one module that knows pygls, :mod:`.error_codes` the one that has error numbers.
"""
