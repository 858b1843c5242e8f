"""Runs linters, each described by a manifest, in the sandbox."""
