"""What tests drive the server with: raw bytes (:mod:`.wire`) or an editor (:mod:`.editor`)."""
