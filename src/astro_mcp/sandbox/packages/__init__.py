"""Packages of PyPI and npm: asked for, resolved, fetched outside, and installed in images of the sandbox."""
