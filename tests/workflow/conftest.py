"""One Temporal server for all tests of the session that want one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.workflow.temporal_server import Server, serving


@pytest.fixture(scope="session")
def temporal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """In memory; each house is on queues of its own."""
    with serving(tmp_path_factory.mktemp("temporal")) as server:
        yield server
