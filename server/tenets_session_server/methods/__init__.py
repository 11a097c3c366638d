"""The methods ``tenets/session.*``, one file a subject."""
