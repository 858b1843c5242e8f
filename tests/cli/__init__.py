"""The command line, as people and programs start it."""
