"""Runs on a Temporal server: the same kernel in a workflow of its, the same effects in its activities."""
