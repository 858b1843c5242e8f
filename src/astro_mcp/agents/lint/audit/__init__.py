"""Locked packages against published advisories."""
