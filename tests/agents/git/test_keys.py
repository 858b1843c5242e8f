"""Keys in what is to be committed: all of it is looked through, at a cost that grows with its size."""

from __future__ import annotations

from tests.agents.git.bench import Bench
from tests.quickest import within

from astro_mcp.errors import ProtectedPath

KEY = "AKIA" + "QWERTYUIOP123456"


async def test_a_file_of_very_many_keys_is_looked_through_in_linear_time_and_told_by_its_first(bench: Bench) -> None:
    bench.write("many.txt", f"{KEY}\n" * 20_000)
    dry = await within(5, lambda: bench.call("git_commit", dry_run=True, message="m"))
    assert [key.line for key in dry.secrets_found] == [*range(1, 101)]
    error = (await bench.result("git_commit", message="m")).error
    assert isinstance(error, ProtectedPath)
    assert error.message.startswith("at least 100 places look like keys")
