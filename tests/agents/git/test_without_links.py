"""A working tree without links, as git keeps one on Windows: a link is a file that holds where it leads."""

from __future__ import annotations

import pytest
from tests.agents.git.bench import Bench


@pytest.fixture(autouse=True)
def without_links(bench: Bench) -> None:
    (bench.root / "link").symlink_to("README.md")
    bench.git("add", "-A")
    bench.git("commit", "-q", "-m", "A link")
    bench.git("config", "core.symlinks", "false")
    (bench.root / "link").unlink()
    bench.git("checkout", "--", "link")
    assert not (bench.root / "link").is_symlink()
    assert bench.git("status", "--porcelain") == ""


async def test_a_file_in_place_of_a_link_is_no_change(bench: Bench) -> None:
    for text in (None, "a.txt"):
        if text:
            bench.write("link", text)
        status = await bench.call("git_status")
        assert [(entry.path, entry.change) for entry in status.unstaged] == ([("link", "M")] if text else [])


async def test_a_link_that_is_a_file_is_committed_as_a_link(bench: Bench) -> None:
    bench.write("link", "src/app.py")
    await bench.call("git_commit", message="Leads elsewhere")
    assert bench.git("ls-tree", "HEAD", "link").startswith("120000 ")
    assert bench.git("show", "HEAD:link") == "src/app.py"
    assert bench.git("status", "--porcelain") == ""
