"""Public packages' own suites, of which something is broken: counts and failures are what the runner itself says."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from tests.agents.tests.bench import Bench, bench
from tests.agents.tests.test_js_coverage import own_report
from tests.agents.tests.test_runners import compared, runner_of
from tests.agents.tests.test_test_run import own_counts as pytests_counts
from tests.agents.tests.toys import TOYS, own_counts

from demo import TARGET
from demo_target import fetch, unpack

CACHE = Path(__file__).parents[3] / ".tools" / "demo"
H11 = ("h11", "0.16.0", "4e35b956cf45792e4caa5885e69fba00bdbc6ffafbfa020300e549b208ee5ff1")
IDNA = ("idna", "3.10", "12f65c9b470abda6dc35cf8e63cc574b1c52b11df2c86030af0ac09b01b13ea9")
BROKEN = "raise RuntimeError('broken')"
UNITTESTS = r"(failures|errors|skipped|expected failures|unexpected successes)=(\d+)|(Ran) (\d+)"
THROWS = "throw new Error('broken')"

pytestmark = pytest.mark.full


@dataclass(frozen=True)
class Package:
    """A source distribution (name, version, sha256), or what npm packs by `name@version`. `breaks` is put at the end of
    `file`; `least` tests fail of it. `needs` are the packages that the suite needs; what package.json names for
    development is left out: it lints, and counts lines."""

    target: tuple[str, str, str] | str
    runner: str
    file: str
    breaks: str
    least: int
    needs: tuple[str, ...] = ()
    path: str = "."


PACKAGES = {
    "wsproto": Package(
        TARGET, "pytest", "src/wsproto/utilities.py", f"def generate_nonce(): {BROKEN}", 5,
        needs=("h11>=0.16,<1", "pytest>=7"),
    ),
    "h11": Package(H11, "pytest", "h11/_headers.py", "def get_comma_header(*a): return []", 1, ("pytest>=7",)),
    "idna": Package(IDNA, "unittest", "idna/core.py", "def valid_contexto(*a, **k): return False", 1),
    "fastify-error": Package(
        "@fastify/error@4.3.0", "node", "index.js", "module.exports.FastifyError = class Other extends Error {}", 1
    ),
    "process-warning": Package(
        "process-warning@5.1.1", "node", "index.js", f"module.exports.createDeprecation = () => {{ {THROWS} }}", 1
    ),
    "process-warning-jest": Package(
        "process-warning@5.1.1", "jest", "index.js", f"module.exports.createWarning = () => {{ {THROWS} }}", 1,
        path="test/jest.test.js",
    ),
    "safe-regex2": Package("safe-regex2@5.1.2", "node", "index.js", "module.exports = () => true", 2, ("ret@~0.5.0",)),
}  # fmt: skip


def unpacked(package: Package, folder: Path) -> Path:
    """The package's files, broken; nothing of it runs here."""
    if isinstance(package.target, tuple):
        project = unpack(fetch(*package.target, CACHE), folder)
    else:
        packs = ["npm", "pack", "--ignore-scripts", "--silent", f"--pack-destination={folder}", package.target]
        subprocess.run(packs, check=True, capture_output=True, timeout=100, cwd=folder)
        project = unpack(next(folder.glob("*.tgz")), folder)
        about = json.loads((project / "package.json").read_text())
        (project / "package.json").write_text(json.dumps({**about, "devDependencies": {}}))
    with (project / package.file).open("a") as file:
        file.write(f"\n{package.breaks}\n")
    return project


async def own(house: Bench, package: Package, project: Path) -> dict[str, int]:
    if package.runner == "pytest":
        return await pytests_counts(house, project, list(package.needs))
    runner, tenant = runner_of(package.runner), "local"
    image = await house.sandbox.language_image(runner.image.debian, "scripts/setup") if runner.image.debian else ""
    needs: Sequence[str] = (*package.needs, *runner.image.npm)
    image = await house.sandbox.package_image("npm", image, tenant, needs) if needs else image
    files = {str(path.relative_to(project)): path.read_text() for path in project.rglob("*") if path.is_file()}
    toy = replace(TOYS[package.runner], files=files)
    toy = replace(toy, own=(*toy.own, package.path)) if package.path != "." else toy
    if package.runner == "unittest":  # a line for each of thousands of tests would be cut
        toy = replace(toy, own=toy.own[:-1], counts=UNITTESTS, words={**toy.words, "Ran": "total"})
    return await own_counts(house.sandbox, toy, image, {})


@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", PACKAGES)
async def test_the_counts_and_failures_of_a_public_packages_suite_are_the_runners_own(
    tmp_path: Path, images: Path, name: str
) -> None:
    package = PACKAGES[name]
    (tmp_path / "there").mkdir()
    project = unpacked(package, tmp_path / "there")
    async with bench(tmp_path / "data", (project,), images) as house:
        result = await house.run(path=package.path, runner=package.runner)
        told: dict[str, Any] = compared(result)
        said = await own(house, package, project)
    words = {"error": "errors"} if package.runner == "pytest" else {}
    said = {words.get(word, word): count for word, count in said.items()}
    assert {word: told.get(word, 0) for word in said} == said
    failed = result.counts.failed + result.counts.errors
    assert failed >= package.least
    assert len(result.failures) + result.failures_left_out == failed
    assert all(item.file and item.line for item in result.failures)


@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", ["fastify-error", "process-warning", "process-warning-jest", "safe-regex2"])
async def test_the_lines_that_a_public_packages_suite_runs_are_those_that_the_runner_itself_tells(
    tmp_path: Path, images: Path, name: str
) -> None:
    package = PACKAGES[name]
    (tmp_path / "there").mkdir()
    project = unpacked(package, tmp_path / "there")
    files = {str(path.relative_to(project)): path.read_text() for path in project.rglob("*") if path.is_file()}
    async with bench(tmp_path / "data", (project,), images) as house:
        result = await house.run(path=package.path, runner=package.runner, coverage=True)
        said = await own_report(house, package.runner, files, package.needs, package.path.removeprefix("."))
    found = result.coverage
    assert found is not None
    told = {each.file: (each.lines, each.missing) for each in found.files}
    assert {path: told.get(path) for path in said} == said
    assert len(said) >= 1
    assert {path for path in told.keys() - said.keys() if told[path][1] == ""} == set(), "no test loads these"
