"""The types of members that several messages have."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Raw

SessionId = Annotated[int, Meta(description="the session's `id`")]
EntryId = Annotated[int, Meta(description="`id` of the entry; only for changes of context")]
TrashId = Annotated[
    int | None,
    Meta(description="what `restore` brings it back with; null if nothing was kept"),
]
Author = Annotated[
    str | None, Meta(description="who wrote it; null if another program did, or nobody said")
]
UpdatedAt = Annotated[str, Meta(description="when a client last changed it; absent if none has")]
ImportedAuthor = Annotated[
    str, Meta(description="who wrote it where it was imported from; else absent")
]
LocationText = Annotated[
    Raw, Meta(description="where it belongs, as a `Location`; absent if not given")
]
Revision = Annotated[int, Meta(description="number of the change; numbers only increase")]
NewestRevision = Annotated[int, Meta(description="number of the newest committed change")]
StateText = Annotated[
    str, Meta(description="opaque name of that revision in this history of the database")
]
Timestamp = Annotated[str, Meta(description="RFC 3339 with offset, microseconds kept")]
NextCursor = Annotated[
    str | None, Meta(description="cursor of the next page; null on the last page")
]
