"""A path that nothing has: an empty answer about it would read as if nothing had changed."""

from __future__ import annotations

from tests.agents.git.bench import Bench

LITERAL = "paths are taken as they are, without wildcards"


async def test_a_log_of_a_path_that_is_not_there_says_so(bench: Bench) -> None:
    sha = bench.git("rev-parse", "--short=12", "HEAD").strip()
    for path, wanted in (
        ("src/ap.py", f"nothing is named src/ap.py in {sha} or the working tree: did you mean src/app.py?"),
        ("*.sh", f"nothing is named *.sh in {sha} or the working tree: {LITERAL}"),
        ("src/*.py", f"nothing is named src/*.py in {sha} or the working tree: {LITERAL}"),
        ("a\x1b/\nb", None),
    ):
        told = await bench.call("git_log", path=path)
        assert told.note == wanted
        assert told.text() == (f"no commit matches; {wanted}" if wanted else "no commit matches")
    bench.write("new.py", "1\n")
    assert (await bench.call("git_log", path="new.py")).note == f"new.py is in the working tree, and not in {sha}"
    assert (await bench.call("git_log", path="src", author="nobody")).note is None


async def test_a_diff_of_a_path_that_is_not_there_says_so(bench: Bench) -> None:
    sha, old = (one[:12] for one in bench.git("rev-parse", "HEAD", "HEAD~1").split())
    bench.write("new.py", "1\n")
    bench.write("src/app.py", "2\n")
    note = f"nothing is named nosuch in {sha} or the working tree"
    told = await bench.call("git_diff", paths=["nosuch", "README.md"])
    assert told.text() == f"no difference\n{note}"
    told = await bench.call("git_diff", paths=["src", "nosuch"], stat_only=True)
    assert told.text() == f"src/app.py +1 -6\n{note}"
    assert (await bench.call("git_diff", paths=["src/app.py", "README.md", "src"])).note is None
    untracked = "new.py is not tracked: git_status lists it, unless it is ignored"
    assert (await bench.call("git_diff", paths=["new.py"])).note == untracked
    assert (await bench.call("git_diff", **{"from": "index"}, paths=["new.py"])).note == untracked
    assert (await bench.call("git_diff", **{"from": "index"}, paths=["README.md"])).note is None
    between = await bench.call("git_diff", **{"from": "HEAD~1", "to": "HEAD"}, paths=["READ.md", "README.md"])
    assert between.note == f"nothing is named READ.md in {old} or {sha} or the working tree: did you mean README.md?"
