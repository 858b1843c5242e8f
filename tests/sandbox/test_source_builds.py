"""Sources: built without network where an operator lets them, into one wheel that is what it says, or refused."""

from __future__ import annotations

import tarfile
from pathlib import Path

import pytest
from tests.sandbox.rig import SMALL, Make
from tests.sandbox.sdists import OWN, Steps, approving, failure, plain, printed, sdist
from tests.sandbox.wheels import wheel

from astro_mcp.errors import InvalidInput


@pytest.mark.full
async def test_a_source_and_what_it_needs_are_resolved_together_with_the_rest(make: Make, index: Path) -> None:
    sdist(index, "built", plain("built", requires=("needed>=1", "further")))
    sdist(index, "further", plain("further"))
    wheel(index, "needed", "1.5")
    wheel(index, "asked", requires=["built"])
    sandbox, steps = approving(make, "built", "further"), Steps()
    image = await sandbox.python_image("local", ["asked"], steps.take)
    assert steps.builds == ["building built 1.0 in the sandbox", "building further 1.0 in the sandbox"]
    code = "import asked, built, further, needed; print(built.version, needed.version)"
    assert await printed(sandbox, image, code) == "1.0 1.5"
    error = await failure(sandbox, "built", "needed>=2")
    assert "needed" in error.message, "what was built is weighed as every wheel is"
    await sandbox.close()


@pytest.mark.full
async def test_a_wheel_that_fits_goes_before_a_newer_source(make: Make, index: Path) -> None:
    wheel(index, "both", "1.0")
    sdist(index, "both", "raise SystemExit('built')", "2.0")
    sandbox, steps = approving(make, "both"), Steps()
    image = await sandbox.python_image("local", ["both"], steps.take)
    assert await printed(sandbox, image, "import both; print(both.version)") == "1.0"
    assert steps.builds == []
    await sandbox.close()


@pytest.mark.full
async def test_a_built_wheel_is_its_tenants_and_goes_with_the_approval(make: Make, index: Path, folder: Path) -> None:
    sdist(index, "mine", plain("mine"))
    wheel(index, "more")
    sandbox = approving(make, "mine")
    built = []
    for tenant, requirements in (("local", ["mine"]), ("local", ["mine", "more"]), ("other", ["mine"])):
        steps = Steps()
        built.append(await sandbox.python_image(tenant, requirements, steps.take))
        assert len(steps.builds) == (0 if len(built) == 2 else 1), "for a tenant once"
    assert len(set(built)) == 3
    assert len(list((folder / "built").iterdir())) == 2
    await sandbox.close()
    cautious = make()
    assert (await failure(cautious, "mine")).code == "approval_required"
    await cautious.close()


LIES = {
    "no-name-of-its-own": (
        "return made(folder, 'lying', '1.0', {'a.py': ''}, file='other-1.0-py3-none-any.whl')",
        "other",
    ),
    "no-version-of-its-own": ("return made(folder, 'lying', '2.0', {'a.py': ''})", "2.0"),
    "two-wheels": (
        "made(folder, 'numpy', '9.0', {'numpy.py': ''})\nreturn made(folder, 'lying', '1.0', {'a.py': ''})",
        "2 files",
    ),
    "none": ("return 'lying-1.0-py3-none-any.whl'", "0 files"),
    "a-link": ("os.symlink('/etc/passwd', os.path.join(folder, 'lying-1.0-py3-none-any.whl'))", "not taken over"),
    "too-large": (
        "open(os.path.join(folder, 'lying-1.0-py3-none-any.whl'), 'wb').truncate(65 << 20)",
        "not taken over",
    ),
    "other-folder": (
        "return made(folder, 'numpy', '9.0', {'a.py': ''}, file='lying-1.0-py3-none-any.whl')",
        "invalid wheel",
    ),
    "other-metadata": ("return made(folder, 'lying', '1.0', {'a.py': ''}, says='numpy')", "inconsistent name"),
    "another-python": ("return made(folder, 'lying', '1.0', {'a.py': ''}, tag='cp27-none-any')", "does not fit"),
}


@pytest.mark.full
@pytest.mark.parametrize("lie", LIES)
async def test_what_a_build_says_of_its_wheel_must_be_so(make: Make, index: Path, lie: str) -> None:
    build, said = LIES[lie]
    sdist(index, "lying", build)
    wheel(index, "numpy", "9.0")
    sandbox = make(SMALL.model_copy(update={"build_from_source": ("lying",), "workspace_mb": 128}))
    error = await failure(sandbox, "lying")
    assert isinstance(error, InvalidInput)
    assert "lying" in error.message
    assert said in error.message
    assert str(index.parent) not in error.message
    await sandbox.close()


@pytest.mark.full
async def test_a_build_that_fails_tells_its_last_words_and_that_a_compiler_is_missing(make: Make, index: Path) -> None:
    sdist(index, "broken", "print('said before')\nraise RuntimeError('no luck\\x1b[31m today')")
    sdist(index, "native", "import subprocess\nsubprocess.run(['gcc', 'a.c'])")
    sandbox = approving(make, "broken", "native")
    error = await failure(sandbox, "broken")
    assert error.message.startswith("broken 1.0 can't be built from source: said before")
    assert error.message.endswith("RuntimeError: no luck\\x1b[31m today")
    error = await failure(sandbox, "native")
    assert "No such file or directory: 'gcc'" in error.message
    assert "compiler" in error.hint
    await sandbox.close()


@pytest.mark.full
async def test_what_a_build_asks_for_comes_as_wheels_and_may_be_asked_for_late(make: Make, index: Path) -> None:
    wheel(index, "early")
    wheel(index, "late")
    late = "import early\ndef get_requires_for_build_wheel(config_settings=None):\n    return ['late']\n"
    project = OWN.replace("[]", '["early>=1"]')
    sdist(index, "choosy", "import late\n" + plain("choosy"), project=project, head=late)
    asking = "def get_requires_for_build_wheel(config_settings=None):\n    return ['x @ https://example.org/x.whl']\n"
    sdist(index, "hostile", plain("hostile"), head=asking)
    sdist(index, "elsewhere", plain("elsewhere"), project=OWN.replace("[]", '["--index-url=https://example.org"]'))
    sandbox = approving(make, "choosy", "hostile", "elsewhere")
    image = await sandbox.python_image("local", ["choosy"])
    assert await printed(sandbox, image, "import choosy; print(choosy.version)") == "1.0"
    code = "import importlib.util as u; print(u.find_spec('early'), u.find_spec('late'))"
    assert await printed(sandbox, image, code) == "None None", "they are the build's, and not the image's"
    for name in ("hostile", "elsewhere"):
        assert "what its build asks for is refused" in (await failure(sandbox, name)).message
    await sandbox.close()


@pytest.mark.full
@pytest.mark.parametrize("member", ["../../outside", "/outside"])
async def test_an_archive_that_reaches_outside_is_no_source(make: Make, index: Path, member: str) -> None:
    with tarfile.open(index / "reaching-1.0.tar.gz", "w:gz") as archive:
        archive.addfile(tarfile.TarInfo(member))
    sandbox = approving(make, "reaching")
    assert "reaching 1.0 can't be built" in (await failure(sandbox, "reaching")).message
    await sandbox.close()


@pytest.mark.full
async def test_a_source_whose_hash_is_another_is_refused_before_anything_of_it_is_read(
    make: Make, index: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    made = sdist(index, "changed", plain("changed"))
    page = tmp_path / "links.html"
    page.write_text(f'<a href="{made.as_uri()}#sha256={"0" * 64}">{made.name}</a>')
    monkeypatch.setenv("PIP_FIND_LINKS", str(page))
    sandbox = approving(make, "changed")
    error = await failure(sandbox, "changed")
    assert isinstance(error, InvalidInput)
    assert "hash" in error.message
    await sandbox.close()


@pytest.mark.full
async def test_a_package_of_the_index_that_has_no_wheel_is_built_imported_and_runs(make: Make, tidy: None) -> None:
    sandbox, steps = approving(make, "docopt"), Steps()
    image = await sandbox.python_image("local", ["docopt==0.6.2"], steps.take)
    assert steps.builds == ["building docopt 0.6.2 in the sandbox"]
    code = "import docopt; print(docopt.docopt('Usage: x [--y=<n>]', ['--y=3']))"
    assert await printed(sandbox, image, code) == "{'--y': '3'}"
    await sandbox.close()
