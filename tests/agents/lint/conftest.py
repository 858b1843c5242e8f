"""The house of the tests agent's tests: one project in it, and sandbox images for the whole session."""

from __future__ import annotations

from tests.agents.tests.conftest import house, images, project

__all__ = ["house", "images", "project"]
