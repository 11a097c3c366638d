"""The values that pass from storage to its callers, as they are on the wire.

A client gets them encoded as they are here (members in camelCase), so a value is made once, from
its row. The descriptions are those of the reference in PROTOCOL.md. No behaviour but conversions,
no I/O.
"""
