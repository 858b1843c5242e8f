"""Durable workflows: one document, one pure kernel, and drivers that carry out what it commands."""
