"""The methods ``tenets/session.*``: what each of them is stands in one place, by subject.

:mod:`.table` gathers them. From that table follow the registered features, the commands, the
capability, the reference in PROTOCOL.md, and the tests of query plans and exchanges. A method knows
the store and who is attached; it knows no connection, no event loop and no error number.
"""
