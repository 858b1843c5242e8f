"""Packages: wheels by name, fetched outside, unpacked inside, nothing ever built or run on the host."""

from __future__ import annotations

import io
import json
import os
import runpy
import subprocess
import sys
import tarfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import packaging.markers
import pytest
from tests.quickest import within
from tests.sandbox.rig import RESOURCES, SMALL, Make
from tests.sandbox.wheels import wheel

from astro_mcp.core.call import silent
from astro_mcp.errors import AstroError, InvalidInput, LimitHit
from astro_mcp.sandbox import unfinished
from astro_mcp.sandbox.job import Job, SandboxFile
from astro_mcp.sandbox.packages import image_records
from astro_mcp.sandbox.packages.image_records import Records
from astro_mcp.sandbox.packages.pip_sources import REFUSED
from astro_mcp.sandbox.packages.requirements import canonical
from astro_mcp.sandbox.pool import Sort
from astro_mcp.sandbox.sandbox import Sandbox


async def printed(sandbox: Sandbox, image: str, *argv: str) -> str:
    outcome = await sandbox.run(Job(argv, image=image))
    assert outcome.exit_code == 0, outcome.stderr.decode()
    return outcome.stdout.decode()


async def failure(sandbox: Sandbox, *requirements: str) -> AstroError:
    with pytest.raises(AstroError) as caught:
        await sandbox.python_image("local", requirements)
    return caught.value


@pytest.mark.full
async def test_packages_are_importable_with_their_dependencies_and_programs(sandbox: Sandbox, index: Path) -> None:
    wheel(index, "needed", files={"needed.py": b"def main(): print('ran')"}, scripts={"tool": "needed:main"})
    raw = {"asked-1.0.data/scripts/raw": b"#!python\nimport asked; print(asked.x)", "asked.py": b"x = 'raw'"}
    wheel(index, "asked", requires=["needed>=1"], files=raw)
    image = await sandbox.python_image("local", ["asked"], silent)
    assert await printed(sandbox, image, "tool") == "ran\n"
    assert await printed(sandbox, image, "raw") == "raw\n"
    assert await printed(sandbox, image, "python3", "-I", "-c", "import asked, needed; print('both')") == "both\n"
    assert await printed(sandbox, "", "sh", "-c", "ls /opt/site") == ""


@pytest.mark.alone
async def test_the_same_requirements_are_served_from_the_cache(sandbox: Sandbox, index: Path) -> None:
    wheel(index, "cached")
    steps: list[tuple[float, str]] = []

    async def progress(done: float, total: float | None, text: str) -> None:
        steps.append((done, text))

    image = await sandbox.python_image("local", ["cached", "Cached>=1"], progress)
    assert [done for done, _ in steps] == sorted({done for done, _ in steps})
    assert "installing 1 packages" in steps[-1][1]
    steps.clear()
    assert await within(0.5, lambda: sandbox.python_image("local", ["cached >= 1", "cached"], progress)) == image
    assert steps == []


@pytest.mark.full
async def test_an_image_is_its_tenants_its_versions_and_its_bytes(sandbox: Sandbox, index: Path, folder: Path) -> None:
    made = wheel(index, "thing")
    first = await sandbox.python_image("local", ["thing"])
    assert await sandbox.python_image("other", ["thing"]) != first
    made.unlink()
    wheel(index, "thing", files={"thing.py": b"version = 'changed'"})
    (record,) = [path for path in (folder / "requests").iterdir() if first in path.read_text()]
    fields = json.loads(record.read_text())
    record.write_text(json.dumps({**fields, "at": fields["at"] - 25 * 3600}))
    second = await sandbox.python_image("local", ["thing"])
    assert second != first
    assert await printed(sandbox, second, "python3", "-c", "import thing; print(thing.version)") == "changed\n"


@pytest.mark.full
async def test_markers_are_those_of_the_sandboxs_python(sandbox: Sandbox, index: Path) -> None:
    version = (await printed(sandbox, "", "python3", "-c", "import platform; print(platform.python_version())")).strip()
    wheel(index, "inside")
    wheel(index, "chooser", requires=[f"inside; python_full_version == '{version}'"])
    wheel(index, "native", tag="cp39-abi3-manylinux_2_17_x86_64")
    wheel(index, "native", tag="cp39-abi3-manylinux_2_17_aarch64")
    image = await sandbox.python_image("local", ["chooser", "native"])
    assert await printed(sandbox, image, "python3", "-c", "import inside, native; print('there')") == "there\n"


def evil(folder: Path, mark: Path) -> Path:
    """A source archive whose build leaves a mark."""
    source = folder / "evil-1.0.tar.gz"
    with tarfile.open(source, "w:gz") as archive:
        setup = f"open({str(mark)!r}, 'w').close()\nimport setuptools\nsetuptools.setup(name='evil')".encode()
        entry = tarfile.TarInfo("evil-1.0/setup.py")
        entry.size = len(setup)
        archive.addfile(entry, io.BytesIO(setup))
    return source


async def test_an_address_in_a_wheels_metadata_is_not_followed(
    sandbox: Sandbox, index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_NO_BUILD_ISOLATION", "0")  # else pip would fail for want of setuptools, and show nothing
    mark = tmp_path / "built-on-the-host"
    wheel(index, "innocent", requires=[f"evil @ {evil(tmp_path, mark).as_uri()}"])
    error = await failure(sandbox, "innocent")
    assert not mark.exists()
    assert isinstance(error, InvalidInput)
    assert "by its address" in error.message


def test_the_child_that_runs_pip_builds_nothing_even_when_told_to(tmp_path: Path) -> None:
    mark = tmp_path / "built-on-the-host"
    source = evil(tmp_path, mark)
    pip = ["download", "--no-index", "--no-deps", "--no-build-isolation", "--dest", str(tmp_path / "to"), str(source)]
    environment = {**packaging.markers.default_environment(), "python_full_version": "3.13.5"}
    told = {"owner": os.getpid(), "markers": environment, "approved": [], "folder": str(tmp_path)}
    argv = [sys.executable, "-I", "-m", "astro_mcp.sandbox.packages.pip_child", json.dumps(told), *pip]
    done = subprocess.run(argv, check=False, capture_output=True, text=True)
    assert done.returncode != 0
    assert REFUSED in done.stdout + done.stderr
    assert not mark.exists()


async def test_a_package_with_sources_only_is_refused_with_the_reason(sandbox: Sandbox, index: Path) -> None:
    with tarfile.open(index / "onlysource-1.0.tar.gz", "w:gz"):
        pass
    error = await failure(sandbox, "onlysource")
    assert error.code == "approval_required"
    assert "onlysource" in error.message
    assert '"onlysource" in sandbox.build_from_source' in error.hint


async def test_a_conflict_is_told_in_pips_words(sandbox: Sandbox, index: Path) -> None:
    wheel(index, "shared", "1.0")
    wheel(index, "shared", "2.0")
    wheel(index, "left", requires=["shared<2"])
    wheel(index, "right", requires=["shared>=2"])
    error = await failure(sandbox, "left", "right")
    assert isinstance(error, InvalidInput)
    assert "left" in error.message
    assert "shared" in error.message


@pytest.mark.full
async def test_a_wheel_that_reaches_outside_is_refused(sandbox: Sandbox, index: Path) -> None:
    wheel(index, "reaching", files={"../outside": b"x"})
    error = await failure(sandbox, "reaching")
    assert isinstance(error, InvalidInput)
    assert "unsafe member" in error.message


@pytest.mark.parametrize("member", ["../x", "/etc/x", "a/../../x", "c:\\x", "x-1.data/scripts/../../../x", "a\0b", "."])
def test_an_unsafe_member_has_no_place(member: str) -> None:
    install = runpy.run_path(str(RESOURCES / "image/install.py"))
    assert install["place"]("a/b.py", "x.whl") == (Path("/opt/site/a/b.py"), False)
    with pytest.raises(install["Refused"]):
        install["place"](member, "x.whl")


@pytest.mark.full
async def test_an_entry_point_that_is_code_is_refused(sandbox: Sandbox, index: Path) -> None:
    wheel(index, "pointed", scripts={"x": "os:system('id')"})
    assert "unsafe entry point" in (await failure(sandbox, "pointed")).message


def test_the_least_recently_used_go_first_and_the_newest_stays(tmp_path: Path) -> None:
    records = Records(tmp_path)
    sizes = {f"astro-mcp-python:{name}": 100 for name in "abc"}
    for age, tag in enumerate(sizes):
        records.keep(f"request-{age}", tag, ())
        os.utime(tmp_path / "python" / f"{tag[-1]}.json", (age, age))
    assert records.resolved("request-0", 3600) == "astro-mcp-python:a"
    assert records.surplus(sizes, "astro-mcp-python:b", 250) == ["astro-mcp-python:c"]
    assert records.surplus(sizes, "astro-mcp-python:b", 0) == ["astro-mcp-python:c", "astro-mcp-python:a"]
    assert records.surplus(sizes, "astro-mcp-python:b", 300) == []
    assert records.resolved("request-0", 0) == ""


def test_images_and_requests_are_bounded_in_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image_records, "MOST_IMAGES", 2)
    monkeypatch.setattr(image_records, "MOST_REQUESTS", 3)
    records = Records(tmp_path)
    sizes = {f"astro-mcp-python:{name}": 1 for name in "abc"}
    for age, tag in enumerate(sizes):
        records.keep(f"request-{age}", tag, ())
        for record in (tmp_path / "python" / f"{tag[-1]}.json", tmp_path / "requests" / f"request-{age}.json"):
            os.utime(record, (age, age))
    assert records.surplus(sizes, "astro-mcp-python:c", 1000) == ["astro-mcp-python:a"]
    records.keep("request-3", "astro-mcp-python:c", ())
    assert records.resolved("request-0", 3600) == ""
    assert records.resolved("request-1", 3600) == "astro-mcp-python:b"


def test_of_images_that_are_gone_nothing_is_kept(tmp_path: Path) -> None:
    records = Records(tmp_path)
    for name in "abc":
        records.keep(f"request-{name}", f"astro-mcp-python:{name}", ())
    began = time.time() + 1
    os.utime(tmp_path / "python/c.json", (began + 1, began + 1))  # one that was made since
    os.utime(tmp_path / "requests/request-c.json", (began + 1, began + 1))
    building = tmp_path / unfinished.name()
    building.mkdir()
    (building / "package.json").write_text("{}")
    (tmp_path / "requests/broken.json").write_text('{"image": []}')
    records.only({"astro-mcp-python:a"}, began)
    names = {path.name for path in tmp_path.glob("*/*.json")}
    assert names == {"a.json", "request-a.json", "c.json", "request-c.json", "package.json"}


@pytest.mark.parametrize(
    "broken",
    [
        '{"image": "astro-mcp-python:a", "at": "x"}',
        '{"image": "astro-mcp-python:a", "at": [1]}',
        f'{{"image": "astro-mcp-python:a", "at": {10**400}}}',
        '{"image": ["astro-mcp-python:a"], "at": NOW}',
        '{"image": "astro-mcp-python:../../a", "at": NOW}',
        '{"image": "astro-mcp-python:a"',
        "[" * 100_000,
        "3",
        "\x00",
    ],
)
def test_a_broken_record_is_as_none(tmp_path: Path, broken: str) -> None:
    records = Records(tmp_path)
    records.keep("request", "astro-mcp-python:a", ())
    (tmp_path / "requests/request.json").write_text(broken.replace("NOW", str(time.time())))
    assert records.resolved("request", 3600) == ""
    records.keep("request", "astro-mcp-python:a", ())
    assert records.resolved("request", 3600) == "astro-mcp-python:a"


@pytest.mark.full
async def test_the_least_recently_used_image_goes_when_room_runs_out(make: Make, index: Path, engine: Any) -> None:
    for name in ("first", "second", "third"):
        wheel(index, name, files={f"{name}.bin": bytes(100 << 20)})
    sandbox = make(SMALL.model_copy(update={"images_mb": 256}))
    images = [await sandbox.python_image("local", [name]) for name in ("first", "second")]
    assert await sandbox.python_image("local", ["first"]) == images[0]
    images.append(await sandbox.python_image("local", ["third"]))
    there = {tag for row in engine.images() for tag in row["RepoTags"] or ()}
    assert [image in there for image in images] == [True, False, True]
    await sandbox.close()


@pytest.mark.full
async def test_a_build_over_its_time_is_ended_and_told(make: Make, index: Path) -> None:
    wheel(index, "slow", files={f"m{number}.py": b"x = [" + b"1," * 20_000 + b"]" for number in range(400)})
    sandbox = make(SMALL.model_copy(update={"build_timeout_seconds": 1}))
    with pytest.raises((LimitHit, AstroError)) as caught:
        await sandbox.python_image("local", ["slow"])
    assert caught.value.code in ("limit_hit", "timeout")
    await sandbox.close()


@pytest.mark.parametrize(
    "text",
    [
        "-r requirements.txt",
        "--index-url=https://example.org",
        "x @ https://example.org/x.whl",
        "git+https://example.org/x",
        "./folder",
        "/etc/passwd",
        "x; import os",
        "x\n-e .",
        "",
        "x" * 201,
    ],
)
def test_what_is_no_name_with_versions_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        canonical(["requests", text])
    assert [problem.path for problem in caught.value.problems] == ["packages.1"]


def test_requirements_have_one_spelling() -> None:
    assert canonical(["B >=1,<2", "a_b[x]", "b<2, >=1", "A.B[x]"]) == ("a-b[x]", "b<2,>=1")


@pytest.mark.full
async def test_start_up_code_of_a_package_runs_once_the_request_is_read_and_not_before(
    sandbox: Sandbox, index: Path, engine: Any
) -> None:
    line = b"import os, sys; sys.__dict__.setdefault('started', os.path.exists('/workspace/s.py'))\n"
    wheel(index, "starter", files={"starter.pth": line})
    image = await sandbox.python_image("local", ["starter"], silent)
    files = (SandboxFile("s.py", b"import sys; print(sys.started)"),)
    async with sandbox.warm():
        for script in (True, True, False):  # the second finds a container that has waited
            outcome = await sandbox.run(Job(("python3", "s.py"), files=files, image=image, script=script))
            assert outcome.stdout == b"True\n", outcome.stderr
            await up_for_a_while(sandbox, image, engine)


@pytest.mark.full
async def test_a_packages_program_named_python3_is_not_the_interpreter_that_waits(
    sandbox: Sandbox, index: Path
) -> None:
    imposter = b'#!/bin/sh\ntouch /workspace/imposter\nexec /usr/bin/python3 "$@"\n'
    wheel(index, "imposter", files={"imposter-1.0.data/scripts/python3": imposter})
    image = await sandbox.python_image("local", ["imposter"], silent)
    look = b"import os; print(os.path.exists('/workspace/imposter'))"
    job = Job(("python3", "look.py"), files=(SandboxFile("look.py", look),), image=image)
    assert (await sandbox.run(replace(job, script=True))).stdout == b"False\n"
    assert (await sandbox.run(job)).stdout == b"True\n", "the run itself takes what it installed"


async def up_for_a_while(sandbox: Sandbox, image: str, engine: Any) -> None:
    """Until a container of `image` waits, and its interpreter sleeps: whatever it does before a run, it has done."""
    assert sandbox._pool is not None
    with anyio.fail_after(60):
        while not sandbox._pool.counts().get(image):
            await anyio.sleep(0.01)
        [container, *_] = sandbox._pool._shelves[Sort(image, sandbox.limits())].waiting
        while True:
            table = await anyio.to_thread.run_sync(lambda: engine.top(container.name, "-eo pid,stat,args"))
            if any("waiting.py" in row[2] and row[1].startswith("S") for row in table["Processes"]):
                return
