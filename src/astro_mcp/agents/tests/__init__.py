"""Runs a project's own tests in the sandbox."""
