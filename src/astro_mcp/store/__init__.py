"""The daemon's record: one SQLite file in WAL mode, one writer, several readers, and artifacts by content."""
