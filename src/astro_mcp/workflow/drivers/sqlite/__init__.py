"""The embedded driver: runs, steps and events in SQLite."""
