"""Which features a client has asked for. It is loaded for every client, the features are not."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta, Struct

from tenets_session_server.methods.params import Flag


class EditorFeatureOptions(Struct, rename="camel", frozen=True):
    """``initializationOptions.editorFeatures``; ``true`` is an object without members."""

    code_action: Flag = True
    workspace_symbol: Flag = True
    hover: Flag = True
    # A pattern, as its error says what was expected.
    annotations: Annotated[
        str, Meta(pattern="^(off|lens|hint)$", description='"off", "lens" or "hint"')
    ] = "off"


def unwrapped_options(given: Any) -> EditorFeatureOptions | None:
    """Return the options, None where no features are wanted; an empty array is an object."""
    if isinstance(given, EditorFeatureOptions):
        return given
    return EditorFeatureOptions() if given is True or given == [] else None
