"""Everything at once, against every git tool that there is: nothing ran, nothing outside was read or written.

Each kind of trap is shown to work by itself in the tests of hostile repositories; here are all keys that git knows, all
hooks, all attributes and all links in one repository, and whatever tools the registry has.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from tests.security.asked import asked
from tests.security.outside import Outside
from tests.security.trap import OUTSIDE, Trap

from astro_mcp.agents.git.outputs import Committed, Merged, MergePreview, Undone
from astro_mcp.core.model import Output

HOOKS = (
    *("applypatch-msg", "commit-msg", "fsmonitor-watchman", "p4-changelist", "p4-post-changelist", "p4-pre-submit"),
    *("p4-prepare-changelist", "post-applypatch", "post-checkout", "post-commit", "post-index-change", "post-merge"),
    *("post-receive", "post-rewrite", "post-update", "pre-applypatch", "pre-auto-gc", "pre-commit", "pre-merge-commit"),
    *("pre-push", "pre-rebase", "pre-receive", "prepare-commit-msg", "proc-receive", "push-to-checkout"),
    *("reference-transaction", "sendemail-validate", "update"),
)
"""Of githooks(5)."""
MORE = (
    *("filter.evil.clean", "filter.evil.smudge", "filter.evil.process", "diff.evil.command", "diff.evil.textconv"),
    *("merge.evil.driver", "merge.default", "gpg.ssh.program", "gpg.x509.program", "gpg.openpgp.program"),
    *(
        "remote.evil.url",
        "remote.evil.uploadpack",
        "remote.evil.receivepack",
        "remote.evil.vcs",
        "remote.evil.promisor",
    ),
    *("submodule.evil.update", "submodule.evil.url", "includeIf.gitdir:**.path", "url.evil.insteadOf"),
    *("alias.status", "alias.log", "alias.diff", "alias.show", "alias.merge-tree", "alias.cat-file", "alias.diff-tree"),
)
DATA = re.compile(r"extensions\..*|core\.(repositoryFormatVersion|worktree|bare)", re.IGNORECASE)
"""Keys by which a repository is refused; those have tests of their own."""


def configured(trap: Trap, value: str) -> None:
    """Every key that this machine's git knows, and those that depend on a name, with that value."""
    keys = [re.sub(r"<[^>]*>", "evil", key) for key in trap.git("help", "--config").split() if "." in key]
    keys += [key.replace("evil", "main") for key in keys if key.startswith("branch.evil")]
    lines = [(trap.root / ".git/config").read_text()]
    for key in [*keys, *MORE]:
        section, _, rest = key.partition(".")
        name, _, variable = rest.rpartition(".")
        if re.fullmatch(r"[A-Za-z][A-Za-z0-9-]*", variable) and not DATA.fullmatch(key):
            head = f'[{section} "{name}"]' if name else f"[{section}]"
            lines.append(f'{head}\n\t{variable} = "{value}"\n')
    (trap.root / ".git/config").write_text("".join(lines))


def hooked(trap: Trap, folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    for name in HOOKS:
        (folder / name).unlink(missing_ok=True)
        (folder / name).write_bytes(trap.script.read_bytes())
        (folder / name).chmod(0o755)


def parted(trap: Trap) -> None:
    """A branch `aside` that changed the same line, so that there is something to merge by a driver."""
    blob = trap.git("hash-object", "-w", "--stdin", "--no-filters", stdin="aside\n").strip()
    tree = trap.git("mktree", stdin=f"100644 blob {blob}\ta.txt\n100644 blob {blob}\tnew.txt\n").strip()
    commit = trap.git("commit-tree", tree, "-p", "HEAD~1", "-m", "Aside").strip()
    (trap.root / ".git/refs/heads/aside").write_text(f"{commit}\n")


async def attacked(trap: Trap, *, looked_at: tuple[str, ...] = ()) -> set[type[Output]]:
    """Every tool with everything, and what they gave; `looked_at` are names of files outside that git itself may look
    at."""
    outside = Outside(trap.outside)
    outside.watch()
    (trap.outside / "secret.txt").read_text()
    assert outside.touched() == ["secret.txt"], "this machine does not show what is read"
    outside.watch()
    made: list[type[Output]] = []
    told: list[str] = []

    async def one(tool: str, arguments: dict[str, Any]) -> None:
        result = await trap.call(tool, **arguments)
        assert not trap.marker.exists(), f"a program of the repository ran: {tool} {arguments}"
        said = (result.error or result.unwrap()).text()
        assert OUTSIDE not in said, f"{tool} {arguments}"
        assert result.error is None or result.error.code != "internal", f"{tool} {arguments}: {said}"
        assert set(outside.touched()) <= set(looked_at), f"{tool} {arguments}"
        made.extend([type(result.value)] if result.value else [])
        told.extend([ref] if (ref := getattr(result.value, "recovery_ref", "")) else [])

    for tool, arguments in asked(trap.dispatcher.registry):
        await one(tool, arguments)
    for ref in told[-1:]:
        await one("git_undo", {"recovery_ref": ref})
    return set(made)


async def test_every_tool_of_git_is_asked(trap: Trap) -> None:
    names = {tool for tool, _ in asked(trap.dispatcher.registry)}
    assert names == {name for name in trap.dispatcher.registry.tools if name.startswith("git_")}
    assert {"git_status", "git_log", "git_diff", "git_show", "git_commit", "git_branch"} <= names


@pytest.mark.parametrize("value", ["program", pytest.param("file", marks=pytest.mark.full)])
async def test_every_key_that_git_knows_names_what_is_outside(trap: Trap, value: str) -> None:
    parted(trap)
    trap.write(
        ".gitattributes", "* diff=evil merge=evil filter=evil\n" if value == "file" else "*.txt diff=evil merge=evil\n"
    )
    trap.write(".gitmodules", '[submodule "evil"]\n\tpath = evil\n\turl = ext::evil\n\tupdate = !evil\n')
    configured(trap, str(trap.script if value == "program" else trap.outside / "secret.txt"))
    assert (trap.root / ".git/config").read_text().count(str(trap.outside)) > 500
    (await trap.call("git_status")).unwrap()
    made = await attacked(trap)
    assert made >= ({Committed, Merged, Undone} if value == "program" else {MergePreview})


async def test_every_hook_in_both_places_where_git_looks(trap: Trap) -> None:
    parted(trap)
    hooked(trap, trap.root / ".git/hooks")
    hooked(trap, trap.outside / "hooks")
    trap.config("core.hooksPath", str(trap.outside / "hooks"))
    trap.springs("commit", "-q", "--allow-empty", "-m", "x")
    assert await attacked(trap) >= {Committed, Merged, Undone}


async def test_repositories_links_and_promises_all_over_the_tree(trap: Trap) -> None:
    parted(trap)
    other = trap.outside / "other"
    trap.git("init", "-q", "-b", "main", str(other))
    (other / "a.txt").write_text(f"{OUTSIDE}\n")
    trap.git("add", "-A", folder=other)
    trap.git("commit", "-q", "-m", OUTSIDE, folder=other)
    for name in ("bare", "bare/deep"):
        trap.git("init", "-q", "--bare", str(trap.root / name))
        config = trap.root / name / "config"
        for key in ("core.fsmonitor", "diff.external", "remote.evil.uploadpack", "core.sshCommand"):
            trap.git("config", "--file", str(config), key, str(trap.script))
        trap.git("config", "--file", str(config), "core.worktree", str(trap.root))
        trap.git("config", "--file", str(config), "remote.evil.promisor", "true")
        trap.git("config", "--file", str(config), "remote.evil.url", str(trap.root))
        (trap.root / name / "objects/info/alternates").write_text(f"{other}/.git/objects\n")
    for name, target in (("named", f"gitdir: {other}/.git\n"), ("looped", "gitdir: .git\n"), ("up", "gitdir: ../..\n")):
        trap.write(f"{name}/.git", target)
        trap.write(f"{name}/inner.txt", "x\n")
    trap.write("linked/inner.txt", "x\n")
    (trap.root / "linked/.git").symlink_to(other / ".git")
    (trap.root / "away").symlink_to(trap.outside)
    (trap.root / ".mailmap").symlink_to(trap.outside / "secret.txt")
    (trap.root / ".gitattributes").symlink_to(trap.outside / "secret.txt")
    (trap.root / ".gitignore").symlink_to(trap.outside / "secret.txt")
    (trap.root / ".gitmodules").symlink_to(trap.outside / "secret.txt")
    # that of a repository among untracked files: git looks whether it is one, and says no more of it than that
    await attacked(trap, looked_at=("HEAD",))
    for repo in ("bare", "bare/deep", "named", "looped", "up", "linked", "away", "away/other"):
        for tool in ("git_status", "git_log", "git_show", "git_diff"):
            result = await trap.call(tool, repo=repo)
            assert result.error is not None, f"{tool} opened {repo}"
            assert OUTSIDE not in result.error.text()
    assert not trap.marker.exists()


async def test_what_is_swapped_after_it_was_kept_is_refused_as_before(trap: Trap) -> None:
    other = trap.outside / "other"
    trap.git("init", "-q", "-b", "main", str(other))
    (other / "a.txt").write_text(f"{OUTSIDE}\n")
    trap.git("add", "-A", folder=other)
    trap.git("commit", "-q", "-m", OUTSIDE, folder=other)
    sha = trap.git("rev-parse", "HEAD", folder=other).strip()
    for tool in ("git_status", "git_log", "git_show"):
        (await trap.call(tool)).unwrap()
    alternates = trap.root / ".git/objects/info/alternates"
    alternates.write_text(f"{other}/.git/objects\n")
    (trap.root / ".git/refs/heads/evil").write_text(f"{sha}\n")
    for tool, arguments in (("git_show", {"ref": sha}), ("git_show", {"ref": "evil"}), ("git_log", {"ref": "evil"})):
        result = await trap.call(tool, **arguments)
        assert result.error is not None
        assert result.error.code == "path_denied"
    alternates.unlink()
    (trap.root / ".git/refs/heads/evil").unlink()
    assert (await trap.call("git_show", ref=sha)).error is not None, "it is not borrowed any more"
    (trap.root / ".git").rename(trap.root / "was")
    (trap.root / ".git").symlink_to(other / ".git")
    result = await trap.call("git_log")
    assert result.error is not None
    assert OUTSIDE not in result.error.text()
