"""Files that name commands which hosts run, in one step and in several."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.agents.files.house import House, listing

from astro_mcp.errors import ApprovalRequired, ProtectedPath
from astro_mcp.workspace.changes import Write
from astro_mcp.workspace.place import Place

PLAIN = '[project]\nname = "x"\n[build-system]\nrequires = ["hatchling>=1.20"]\nbuild-backend = "hatchling.build"\n'
BIN = '{"name": "x", "bin": "a.js"}'
HOSTILE = {
    "pyproject.toml": '[build-system]\nrequires = []\nbuild-backend = "hatchling.build"\nbackend-path = ["."]\n',
    "sub/pyproject.toml": '[build-system]\nrequires = ["evil @ file:///x"]\nbuild-backend = "hatchling.build"\n',
    "a/pyproject.toml": '[build-system]\nrequires = ["evil"]\nbuild-backend = "hatchling.build"\n',
    "b/pyproject.toml": '[build-system]\nrequires = ["hatchling"]\nbuild-backend = "evil"\n',
    "c/pyproject.toml": "a" + ".a" * 5_000 + " = 1\n",
    "package.json": BIN,
    "sub/package.json": '{"scripts": {"postinstall": "evil"}}',
    "setup.cfg": "[options.entry_points]\nconsole_scripts =\n a = b:c\n",
    "sub/setup.cfg": "[Entry_Points]\nx =\n a = b:c\n",
    "Pipfile": "[scripts]\na = 'evil'\n",
    "deno.jsonc": '{"tasks": {"a": "evil"}}',
    "sub/deno.jsonc": '{"tasks": {"a": "evil"}} // not plain JSON',
    "PACKAG~1.JSO": BIN,
    "package.yaml": "scripts:\n  postinstall: evil\n",
    ".cargo/config.toml": "[build]\nrustc-wrapper = './evil'\n",
    "sub/.cargo/config": "[build]\nrustc-wrapper = './evil'\n",
    ".opencode/x": "x",
    "opencode.json": "{}",
    "mise.toml": "x",
    ".mise.toml": "x",
    ".mise/config.toml": "x",
    ".config/mise.toml": "x",
    ".config/mise/config.toml": "x",
}


async def test_a_new_file_that_names_commands_needs_a_person(house: House, root: Path) -> None:
    for path, content in HOSTILE.items():
        assert isinstance(await house.refused("fs_write", path=path, content=content), ApprovalRequired), path
        await house.ok("fs_write", path="x.txt", content=content)
        assert isinstance(await house.refused("fs_move", path="x.txt", to=path), ApprovalRequired), path
    assert list(listing(root)) == ["x.txt"]


async def test_an_ordinary_new_package_is_written_changed_and_removed(house: House, root: Path) -> None:
    files = {
        "pyproject.toml": PLAIN,
        "package.json": '{"name": "x", "dependencies": {}}',
        "setup.cfg": "[metadata]\nname = x\n",
    }
    for name, text in files.items():
        await house.ok("fs_write", path=name, content=text)
        await house.ok("fs_move", path=name, to=f"sub/{name}")
    setuptools = '[build-system]\nrequires = ["setuptools>=61", "wheel"]\nbuild-backend = "setuptools.build_meta"\n'
    await house.ok("fs_write", path="sub/pyproject.toml", content=setuptools)
    await house.ok("fs_move", path="sub", to="other")
    await house.ok("fs_delete", path="other")
    await house.ok("fs_undo", last=True)


@pytest.mark.parametrize("name", ["package.json", "pyproject.toml"])
async def test_commands_are_not_changed_in_two_steps(house: House, root: Path, name: str) -> None:
    (root / "inner").mkdir()
    for place in (root / name, root / "inner" / name):
        place.write_text(HOSTILE[name])
    steps: list[tuple[str, dict[str, Any]]] = [
        ("fs_delete", {"path": name}),
        ("fs_move", {"path": name, "to": "old.txt"}),
        ("fs_move", {"path": name, "to": f"sub/{name}"}),
        ("fs_delete", {"path": "inner"}),
        ("fs_move", {"path": "inner", "to": "outer"}),
        ("fs_write", {"path": name, "content": ""}),
    ]
    before = listing(root)
    for tool, args in steps:
        assert isinstance(await house.refused(tool, **args), ApprovalRequired), (tool, args)
    assert listing(root) == before


async def test_a_build_system_is_not_replaced_by_way_of_a_deletion(house: House, root: Path) -> None:
    (root / "pyproject.toml").write_text(PLAIN)
    await house.ok("fs_delete", path="pyproject.toml")
    error = await house.refused("fs_write", path="pyproject.toml", content=HOSTILE["pyproject.toml"])
    assert isinstance(error, ApprovalRequired)


@pytest.mark.parametrize("last", ["HEAD", "head", "config", "objects/x", "refs/heads/x", "hooks/post-checkout"])
async def test_no_folder_becomes_a_git_folder(house: House, root: Path, last: str) -> None:
    for name in ("HEAD", "objects/y", "refs/y"):
        if name.lower().split("/")[0] != last.lower().split("/")[0]:
            (root / "deep" / name).parent.mkdir(parents=True, exist_ok=True)
            (root / "deep" / name).write_text("x")
    before = listing(root)
    assert isinstance(await house.refused("fs_write", path=f"deep/{last}", content="x"), ProtectedPath)
    (root / "plain").write_text("x")
    assert isinstance(await house.refused("fs_move", path="plain", to=f"deep/{last}"), ProtectedPath)
    (root / "plain").unlink()
    assert listing(root) == before


async def test_a_folder_of_git_parts_is_not_put_together_by_moves(house: House, root: Path) -> None:
    await house.ok("fs_write", path="a/objects/x", content="x")
    await house.ok("fs_write", path="a/refs/x", content="x")
    await house.ok("fs_write", path="h/HEAD", content="x")
    assert isinstance(await house.refused("fs_move", path="h/HEAD", to="a/HEAD"), ProtectedPath)
    assert isinstance(await house.refused("fs_move", path="a/objects", to="h/objects"), ProtectedPath)


@pytest.mark.parametrize("moved", [False, True])
async def test_an_undo_of_a_run_puts_no_git_folder_together(house: House, root: Path, moved: bool) -> None:
    (root / "a/objects").mkdir(parents=True)
    (root / "a/objects/x").write_text("x")
    await house.ok("fs_delete", path="a/objects", of_run="run_1")
    if moved:
        (root / "a/plain").write_text("x")
        await house.ok("fs_move", path="a", to="b", of_run="run_1")
    folder = "b" if moved else "a"
    await house.ok("fs_write", path=f"{folder}/HEAD", content="ref: refs/heads/main")
    await house.ok("fs_delete", path=f"{folder}/HEAD", of_run="run_1")
    before = listing(root)
    error = await house.refused("fs_undo", run_id="run_1")
    assert isinstance(error, ProtectedPath)
    assert error.message == "a would become a folder that git takes for its own"
    assert listing(root) == before


@pytest.mark.parametrize("others", [("a/objects/x",), ("a/refs/x", "a/plain"), ("a/commondir",)])
async def test_no_git_folder_is_made_by_several_files_at_once(
    house: House, root: Path, others: tuple[str, ...]
) -> None:
    changes = [Write(Place(root, path), b"x") for path in ("a/HEAD", *others)]
    with pytest.raises(ProtectedPath, match="a would become a folder that git takes for its own"):
        await house.changes.apply(house.session, changes)
    assert listing(root) == {}
    await house.changes.apply(house.session, [Write(Place(root, "a/HEAD"), b"x"), Write(Place(root, "b/refs/x"), b"x")])


async def test_config_objects_and_head_are_ordinary_names_elsewhere(house: House, root: Path) -> None:
    for path in ("game/objects/a", "game/config", "api/refs/a", "api/head/x.html", "HEAD"):
        await house.ok("fs_write", path=path, content="x")
