"""Files: read, list, search, write, edit, move, delete, undo."""
