"""What coding agents see of the sessions, and what they may do."""
