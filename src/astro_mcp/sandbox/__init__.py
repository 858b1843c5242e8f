"""The one place where code that a model or a repository brought is run: hardened, single-use Docker containers."""
