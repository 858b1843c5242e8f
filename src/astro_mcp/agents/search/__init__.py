"""The web: searching it, and reading a page of it."""
