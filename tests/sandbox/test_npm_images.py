"""Packages of npm: fetched outside by name and hash, unpacked inside, nothing of them run on the host or at all."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.quickest import within
from tests.sandbox.registry import Fields, Registry, only_registry, tarball
from tests.sandbox.rig import SMALL, Make

from astro_mcp.core.call import silent
from astro_mcp.errors import AstroError, InvalidInput, ProviderFailed, TooLarge, Unavailable, Unsupported
from astro_mcp.sandbox.job import Job, SandboxFile
from astro_mcp.sandbox.packages import npm, npm_errors
from astro_mcp.sandbox.packages.npm_requirements import canonical
from astro_mcp.sandbox.packages.source import Fetched
from astro_mcp.sandbox.sandbox import Sandbox

NODE = ("esbuild", "nodejs")
FACTS = {"platform_machine": "x86_64", "libc": "glibc 2.41"}
REQUIRE = b"const { said } = require('@house/asked'); console.log(said)"
IMPORT = b"import asked from '@house/asked'; console.log(asked.said)"


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> Iterator[Registry]:
    with only_registry(monkeypatch) as made:
        yield made


async def fetched(folder: Path, *requirements: str, seconds: float = 60) -> Fetched:
    folder.mkdir(exist_ok=True)
    return await npm.fetch(canonical(requirements), FACTS, folder, seconds, silent)


async def failure(folder: Path, *requirements: str) -> AstroError:
    with pytest.raises(AstroError) as caught:
        await fetched(folder, *requirements)
    return caught.value


async def ran(sandbox: Sandbox, image: str, name: str, code: bytes) -> str:
    outcome = await sandbox.run(Job(("node", name), files=(SandboxFile(name, code),), image=image))
    assert outcome.exit_code == 0, outcome.stderr.decode()
    return outcome.stdout.decode()


def trap(folder: Path) -> Path:
    """What a hostile workspace around the data folder would bring: settings, a project, scripts, an npm of its own."""
    mark = folder / "ran-on-the-host"
    (folder / ".npmrc").write_text("registry=http://127.0.0.1:9/\nignore-scripts=false\n")
    project = {"workspaces": ["images/*"], "scripts": {"preinstall": f"touch {mark}"}}
    (folder / "package.json").write_text(json.dumps(project))
    programs = folder / "node_modules" / ".bin"
    programs.mkdir(parents=True)
    (programs / "npm").write_text(f"#!/bin/sh\ntouch {mark}\n")
    (programs / "npm").chmod(0o755)
    return mark


@pytest.mark.full
async def test_packages_are_found_by_require_and_import_and_none_of_their_scripts_has_run(
    sandbox: Sandbox, registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mark = trap(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", f"node_modules/.bin:{tmp_path}/node_modules/.bin:{os.environ['PATH']}")
    scripts = dict.fromkeys(("preinstall", "install", "postinstall", "prepare", "prepack"), f"touch {mark} ran")
    registry.add("needed", "1.2.0", "module.exports = 'needed 1'", fields={"scripts": scripts})
    registry.add("needed", "2.0.0", "module.exports = 'needed 2'")
    asked = {"dependencies": {"needed": "^1"}, "bin": {"tool": "./index.js"}, "scripts": scripts}
    code = "#!/usr/bin/env node\nexports.said = require('needed'); if (require.main === module) console.log('tool')"
    registry.add("@house/asked", code=code, fields=asked)
    registry.add("mac", fields={"os": ["darwin"], "cpu": ["arm64"]})
    registry.add("either", fields={"optionalDependencies": {"mac": "1"}})
    base = await sandbox.language_image(NODE, "")
    steps: list[float] = []

    async def progress(done: float, total: float | None, text: str) -> None:
        steps.append(done)

    wanted = ["@house/asked@1.x", "needed@2", "either"]
    image = await sandbox.package_image("npm", base, "local", wanted, progress)
    assert steps == sorted(set(steps)) != []
    assert await ran(sandbox, image, "code_run.js", REQUIRE) == "needed 1\n"
    assert await ran(sandbox, image, ".astro/code_run.mjs", IMPORT) == "needed 1\n"
    shell = "/node_modules/.bin/tool; ls -A / /node_modules /node_modules/needed; cat /node_modules/needed/*.js"
    look = f"import {{ execSync as run }} from 'child_process'; console.log(`${{run('{shell}')}}`)".encode()
    seen = (await ran(sandbox, image, "look.mjs", look)).split()
    assert {"tool", "@house", "either", "needed"} <= set(seen)
    assert seen[-1] == "2'"
    assert not {"ran", "mac", ".incoming"} & set(seen)
    assert not mark.exists()

    steps.clear()
    asked_before = len(registry.asked)
    again = await within(
        0.5, lambda: sandbox.package_image("npm", base, "local", ["needed@2", "either@latest", wanted[0]], progress)
    )
    assert (again, steps, len(registry.asked)) == (image, [], asked_before)


@pytest.mark.full
async def test_an_image_is_its_tenants_its_bases_and_its_bytes(sandbox: Sandbox, registry: Registry) -> None:
    registry.add("thing")
    base = await sandbox.language_image(NODE, "")
    made = [await sandbox.package_image("npm", base, tenant, ["thing"]) for tenant in ("local", "other")]
    made.append(await sandbox.package_image("npm", "", "local", ["thing"]))
    registry.add("thing", "1.0.1")
    made.append(await sandbox.package_image("npm", base, "local", ["thing@1.0.1"]))
    assert len(set(made)) == 4


@pytest.mark.full
async def test_images_of_both_registries_share_the_room_that_there_is(
    make: Make, registry: Registry, engine: Any, tidy: None
) -> None:
    for name in ("first", "second", "third"):
        registry.add(name, packed=tarball({f"package/{name}": bytes(100 << 20)}))
    sandbox = make(SMALL.model_copy(update={"images_mb": 256}))
    images = [await sandbox.package_image("npm", "", "local", [name]) for name in ("first", "second", "third")]
    there = {tag for row in engine.images() for tag in row["RepoTags"] or ()}
    assert [image in there for image in images] == [False, True, True]
    await sandbox.close()


HOSTILE: dict[str, Fields] = {
    "git": {"dependencies": {"evil": "git+file:///tmp/evil"}},
    "hosted": {"dependencies": {"evil": "someone/evil#1111111111111111111111111111111111111111"}},
    "remote": {"dependencies": {"evil": "URL/evil/-/1.0.0.tgz"}},
    "folder": {"dependencies": {"evil": "file:../evil"}},
    "file": {"dependencies": {"evil": "file:/tmp/evil.tgz"}},
    "optional": {"optionalDependencies": {"evil": "git+file:///tmp/evil"}},
    "locked": {"_hasShrinkwrap": True},
}


@pytest.mark.parametrize(
    "kind", [kind if kind == "git" else pytest.param(kind, marks=pytest.mark.full) for kind in HOSTILE]
)
async def test_what_a_package_needs_from_elsewhere_is_not_fetched(
    registry: Registry, tmp_path: Path, kind: str
) -> None:
    registry.add("evil")
    registry.add("innocent", fields=json.loads(json.dumps(HOSTILE[kind]).replace("URL", registry.url)))
    error = await failure(tmp_path / "build", "innocent")
    assert isinstance(error, InvalidInput)
    assert any(why in error.message for why in ("by its address", "from no registry", "lock file of its own"))
    assert "registry" in error.hint
    assert not any(path.endswith(".tgz") for path in registry.asked)


@pytest.mark.full
async def test_what_a_package_bundles_comes_in_its_tarball_and_is_not_opened_outside(
    registry: Registry, tmp_path: Path
) -> None:
    fields = {"bundleDependencies": ["inner"], "dependencies": {"inner": "1"}}
    registry.add("carrier", packed=b"no tarball at all", fields=fields)
    found = await fetched(tmp_path / "build", "carrier")
    assert [line.partition("=")[0] for line in found.contents] == ["node_modules/carrier"]


def test_a_child_that_is_npm_starts_no_process(tmp_path: Path) -> None:
    mark = tmp_path / "ran-on-the-host"
    code = f"require('child_process').spawn('touch', [{str(mark)!r}])"
    done = subprocess.run(
        ["node", "-e", code], env=npm.environment(os.environ), check=False, capture_output=True, text=True
    )
    assert done.returncode != 0
    assert npm_errors.REFUSED in done.stderr
    assert not mark.exists()


def test_another_program_than_npm_is_not_taken_for_it() -> None:
    done = subprocess.run(
        ["node", "-e", "0"], env=npm.environment(os.environ), check=False, capture_output=True, text=True
    )
    assert (done.returncode, "keeps its parts elsewhere" in done.stderr) == (70, True)


async def test_a_registry_that_is_down_may_be_asked_again(
    registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("npm_config_registry", "http://127.0.0.1:9/")
    error = await failure(tmp_path / "build", "thing")
    assert isinstance(error, ProviderFailed)
    assert error.retryable
    assert "ECONNREFUSED" in error.message


@pytest.mark.full
@pytest.mark.parametrize("wanted", ["nobody", "thing@^9"])
async def test_what_the_registry_has_not_is_told_in_npms_words(registry: Registry, tmp_path: Path, wanted: str) -> None:
    registry.add("thing")
    error = await failure(tmp_path / "build", wanted)
    assert isinstance(error, InvalidInput)
    assert wanted in error.message


@pytest.mark.full
async def test_other_bytes_than_the_registry_promised_are_refused(registry: Registry, tmp_path: Path) -> None:
    registry.add("thing")
    registry._files["/thing/-/1.0.0.tgz"] = tarball({"package/index.js": b"other"})
    error = await failure(tmp_path / "build", "thing")
    assert (error.code, error.retryable) == ("provider_failed", True)
    assert "thing@1.0.0" in error.message


FAKE = """#!/bin/sh
case $1 in
install) echo '{lock}' >package-lock.json ;;
cache) mkdir -p {place} && echo other >{place}/{rest} ;;
esac
"""


async def test_what_lies_in_npms_cache_is_hashed_once_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    integrity = f"sha512-{base64.b64encode(bytes(64)).decode()}"
    entry = {"version": "1.0.0", "resolved": "https://registry.example/a.tgz", "integrity": integrity}
    text = json.dumps({"packages": {"node_modules/a": entry}})
    program = tmp_path / "npm"
    program.write_text(FAKE.format(lock=text, place="cache/_cacache/content-v2/sha512/00/00", rest="0" * 124))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    error = await failure(tmp_path / "build", "a")
    assert (error.code, error.retryable) == ("provider_failed", True)
    assert "a@1.0.0" in error.message


@pytest.mark.full
async def test_a_file_over_its_bound_and_packages_over_theirs_are_refused(
    registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry.add("large", packed=tarball({"package/x": os.urandom(3 << 20)}))
    monkeypatch.setattr(npm, "MOST_BYTES", 1 << 20)
    assert isinstance(await failure(tmp_path / "one", "large"), TooLarge)
    monkeypatch.setattr(npm, "MOST_PACKAGES", 0)
    assert isinstance(await failure(tmp_path / "two", "large"), TooLarge)
    where = "astro_mcp.sandbox.packages"
    bound = f"import sys; from {where} import npm_child as c; c.LARGEST = {1 << 20}; c.main(sys.argv[1:])"
    monkeypatch.setattr(npm, "CHILD", (sys.executable, "-c", bound))
    assert isinstance(await failure(tmp_path / "three", "large"), TooLarge)


async def test_without_npm_one_line_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    error = await failure(tmp_path, "thing")
    assert isinstance(error, Unavailable)
    assert "npm" in error.hint
    assert "\n" not in error.hint
    assert not error.retryable


async def test_a_sandbox_without_glibc_takes_no_packages(tmp_path: Path) -> None:
    with pytest.raises(Unsupported):
        await npm.fetch(["thing@*"], {**FACTS, "libc": ""}, tmp_path, 1, silent)


def test_npm_gets_the_machines_settings_and_none_of_a_project_that_our_host_runs_in() -> None:
    kept = {"NPM_CONFIG_REGISTRY": "a", "NODE_EXTRA_CA_CERTS": "b", "https_proxy": "c", "HOME": "d", "NPM_TOKEN": "e"}
    others = {"SECRET": "x", "NODE_OPTIONS": "--require evil", "PIP_INDEX_URL": "x", "LD_PRELOAD": "x"}
    paths = {"PATH": "/usr/bin:relative:/project/node_modules/.bin:/bin"}
    made = npm.environment({**kept, **others, **paths, "npm_config_cafile": "f"})
    assert {name: made.pop(name) for name in kept} == kept
    assert made.pop("npm_config_cafile") == "f"
    assert made.pop("PATH") == "/usr/bin:/bin"
    assert "evil" not in made.pop("NODE_OPTIONS")
    assert made == {}
    inside = npm.environment({**kept, "npm_config_local_prefix": "/project", "npm_config_registry": "evil"})
    assert "npm_config_registry" not in inside
    assert inside["NPM_CONFIG_REGISTRY"] == "a"
