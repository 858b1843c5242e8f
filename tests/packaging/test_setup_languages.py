"""scripts/setup and the images of languages, on a machine that this one is not."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from tests.packaging.setup_machine import NEVER, Machine, machine

TOOLS = ("basename", "find", "head", "mv", "sort", "tail")
BUILDS = """
[ "$4" != broken ] || exit 1
echo "image:$4"
"""
"""What `astro-mcp sandbox build --language NAME` says."""


def languages(folder: Path) -> Machine:
    """A checkout with two languages that have an image of their own and one that has none."""
    at = machine(folder)
    for name in TOOLS:
        (folder / "bin" / name).symlink_to(str(shutil.which(name)))
    for name, text in (("a", "[image]\n"), ("b", "[image]\n"), ("plain", "[run]\n")):
        at.file(f"checkout/tools/languages/{name}.tool.toml", text)
    at.file("checkout/resources/sandbox/image/Dockerfile", "FROM base\n")
    at.program("docker")
    at.program("astro-mcp", BUILDS, where="checkout/.venv/bin")
    return at


BOTH = ["astro-mcp sandbox build --language a", "astro-mcp sandbox build --language b"]


def test_a_language_with_packages_of_its_own_gets_its_image_once(tmp_path: Path) -> None:
    at = languages(tmp_path)
    for _ in range(2):
        done = at.run("language_images")
        assert (done.returncode, done.stdout) == (0, "")
        assert at.asked("astro-mcp") == BOTH
    assert at.asked("docker") == ["docker image inspect image:a image:b"], "the second run asks whether they are there"


@pytest.mark.parametrize("path", ["tools/languages/a.tool.toml", "resources/sandbox/image/Dockerfile"])
def test_a_changed_manifest_or_recipe_makes_the_images_again(tmp_path: Path, path: str) -> None:
    at = languages(tmp_path)
    at.run("language_images")
    at.file(f"checkout/{path}", "[image]\n# another\n")
    assert at.run("language_images").returncode == 0
    assert at.asked("astro-mcp") == BOTH * 2


def test_an_image_that_the_engine_has_no_more_is_made_again(tmp_path: Path) -> None:
    at = languages(tmp_path)
    at.run("language_images")
    at.program("docker", NEVER)
    assert at.run("language_images").returncode == 0
    assert at.asked("astro-mcp") == BOTH * 2


def test_the_images_of_test_runners_are_made_for_those_that_have_one(tmp_path: Path) -> None:
    at = languages(tmp_path)
    for name, text in (("go", '[image]\ndebian = ["golang-go"]\n'), ("pytest", '[image]\npip = ["pytest"]\n')):
        at.file(f"checkout/tools/runners/{name}.tool.toml", text)
    done = at.run("runner_images")
    assert (done.returncode, done.stdout) == (0, "")
    assert at.asked("astro-mcp") == ["astro-mcp sandbox build --runner go"]
    at.file("checkout/tools/runners/broken.tool.toml", 'debian = ["x"]\n')
    assert at.run("runner_images; echo went on").returncode == 1


def test_an_image_that_could_not_be_made_ends_setup_and_is_not_taken_for_a_made_one(tmp_path: Path) -> None:
    at = languages(tmp_path)
    at.file("checkout/tools/languages/broken.tool.toml", "[image]\n")
    assert at.run("language_images; echo went on").returncode == 1
    assert not (tmp_path / "checkout/.venv/.languages").exists()
