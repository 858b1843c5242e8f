"""A file that has another mode: git says both, and its lines alone would say that nothing changed."""

from __future__ import annotations

from typing import Any

from tests.agents.git.bench import Bench

WAYS: list[dict[str, Any]] = [{}, {"stat_only": True}, {"paths": ["src/app.py"]}]


async def test_a_change_of_mode_is_told_in_diffs_and_commits(bench: Bench) -> None:
    (bench.root / "src/app.py").chmod(0o755)
    wanted = "src/app.py +0 -0, mode 100644 -> 100755"
    for way in WAYS:
        assert (await bench.call("git_diff", **way)).text() == wanted, way
    bench.git("commit", "-q", "-a", "-m", "Run it")
    for way in WAYS:
        told = await bench.call("git_diff", **{"from": "HEAD~1", "to": "HEAD"}, **way)
        assert (told.text(), told.files[0].modes) == (wanted, "100644 -> 100755"), way
    assert (await bench.call("git_show")).text().endswith(f"\n{wanted}")
    preview = await bench.call("git_merge_preview", **{"from": "HEAD", "into": "HEAD~1"})
    assert preview.text().endswith(f"\n{wanted}")


async def test_a_mode_is_told_beside_lines_a_rename_or_another_kind_of_file(bench: Bench) -> None:
    bench.git("mv", "src/app.py", "src/run.py")
    (bench.root / "src/run.py").chmod(0o755)
    (bench.root / "README.md").unlink()
    (bench.root / "README.md").symlink_to("src/run.py")
    bench.write("new.sh", "true\n")
    bench.git("add", "-A")
    wanted = [
        "README.md +1 -1, mode 100644 -> 120000",
        "new.sh +1 -0",
        "src/app.py -> src/run.py +0 -0, mode 100644 -> 100755",
    ]
    assert (await bench.call("git_diff", stat_only=True)).text().split("\n") == wanted
    bench.git("commit", "-q", "-m", "Move")
    show = await bench.call("git_show")
    assert [file.line for file in show.files] == wanted
