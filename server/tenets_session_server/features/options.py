"""Which features a client has asked for. It is loaded for every client, the features are not."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from tenets_session_server.methods.params import Flag


class Options(Struct, rename="camel", frozen=True):
    """``initializationOptions.editorFeatures``; ``true`` is an object without members."""

    code_action: Flag = True
    workspace_symbol: Flag = True
    hover: Flag = True
    annotations: Annotated[
        Literal["off", "lens", "hint"], Meta(description='"off", "lens" or "hint"')
    ] = "off"


def unwrapped_options(given: Any) -> Options | None:
    """Return the options, None where no features are wanted; an empty array is an object."""
    if isinstance(given, Options):
        return given
    return Options() if given is True or given == [] else None
