"""What `lint_check` finds is what each tool finds itself: run directly, in the same image, on the same real tree, and
read in another form of its output than the one that the manifest reads."""

from __future__ import annotations

import csv
import json
import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from tests.agents.lint import trees
from tests.agents.tests.bench import Bench, bench

from astro_mcp.packs import Pack
from astro_mcp.sandbox.job import Job, Outcome

Place = tuple[str, int, str]
Read = Callable[[str], Iterator[Place]]


def lines(pattern: str) -> Read:
    """Findings with groups named file, line (none is 0) and rule."""
    compiled = re.compile(pattern, re.MULTILINE)
    return lambda text: ((found["file"], int(found["line"] or 0), found["rule"]) for found in compiled.finditer(text))


def under_files(heading: str, pattern: str) -> Read:
    """Findings below a line that names their file."""

    def read(text: str) -> Iterator[Place]:
        file = ""
        for line in text.splitlines():
            if found := re.match(pattern, line):
                yield file, int(found["line"]), found["rule"]
            elif named := re.match(heading, line):
                file = named["file"]

    return read


def complex_functions(text: str) -> Iterator[Place]:
    """lizard's own figures of every function, against the bounds that its help names."""
    for nloc, ccn, _, parameters, _, _, file, _, _, start, _ in csv.reader(text.splitlines()):
        if int(ccn) > 15 or int(nloc) > 1_000_000 or int(parameters) > 100:
            yield file, int(start), "complexity"


def scanned_secrets(text: str) -> Iterator[Place]:
    for file, found in json.loads(text)["results"].items():
        yield from ((file, item["line_number"], item["type"]) for item in found)


@dataclass(frozen=True)
class Case:
    """`argv` is run where the linter ran; `settings` are put into the tree before. `worded`: it prints the messages,
    too."""

    argv: str
    read: Read
    tree: str = "python"
    settings: tuple[tuple[str, str], ...] = ()
    worded: bool = True


ESLINT = """module.exports = [{files: ["**/*.js"], rules: {
  "no-unused-vars": "error", "prefer-const": "warn", "no-var": "error", "no-undef": "error", eqeqeq: "error",
}}];"""
SEMGREP = """rules:
  - {id: no-open, languages: [python], severity: ERROR, message: open, pattern: open(...)}
  - {id: no-assert, languages: [python], severity: WARNING, message: assert, pattern: assert $X}"""
CASES = {
    "ruff": Case(
        "ruff check --no-cache --output-format=concise .", lines(r"^(?P<file>.+?):(?P<line>\d+):\d+: (?P<rule>\S+) ")
    ),
    "mypy": Case(
        "mypy --no-incremental --cache-dir=/dev/null --no-pretty .",
        lines(r"^(?P<file>.+?):(?P<line>\d+):(?:\d+:)? error: .*\[(?P<rule>[a-z-]+)\]$"),
        tree="typed",
    ),
    "basedpyright": Case(
        "basedpyright .",
        lines(r"^  (?P<file>/[^:\n]+):(?:(?P<line>\d+):\d+ - | ?)\w+: (?:.|\n(?!  /))*?\((?P<rule>report\w+)\)$"),
        tree="typed",
    ),
    "bandit": Case(
        "bandit -q -r -f custom --msg-template {relpath}:{line}:{test_id}:{msg} .",
        lines(r"^(?P<file>.+?):(?P<line>\d+):(?P<rule>B\d+):"),
    ),
    "semgrep": Case(
        "semgrep scan --metrics=off --disable-version-check --no-git-ignore --quiet --emacs --config=.semgrep.yml .",
        lines(r"^(?P<file>.+?):(?P<line>\d+):\d+:\w+\((?P<rule>[\w-]+)\):"),
        settings=((".semgrep.yml", SEMGREP),),
    ),
    "lizard": Case("lizard --csv .", complex_functions, worded=False),
    "vulture": Case("vulture .", lines(r"^(?P<file>.+?):(?P<line>\d+): (?:unused )?(?P<rule>\w+)")),
    "detect-secrets": Case("detect-secrets scan --all-files --no-verify .", scanned_secrets, worded=False),
    "yamllint": Case(
        "yamllint --format=standard .",
        under_files(r"(?P<file>\./\S+)$", r"  (?P<line>\d+):\d+ +\w+ .*\((?P<rule>[\w-]+)\)$"),
    ),
    "zizmor": Case(
        "zizmor --offline --no-progress --quiet --format=github .",
        lines(r"^::\w+ file=(?P<file>[^,]+),line=(?P<line>\d+),title=(?P<rule>[\w-]+)::"),
    ),
    "hadolint": Case(
        "hadolint --no-color Dockerfile gallery/Dockerfile",
        lines(r"^(?P<file>[^:\n]+):(?P<line>\d+) (?P<rule>\w+) \w+: "),
        tree="docker",
    ),
    "shellcheck": Case(
        "sh -c 'shellcheck --format=gcc *.sh'",
        lines(r"^(?P<file>.+?):(?P<line>\d+):\d+: \w+: .*\[(?P<rule>SC\d+)\]$"),
        tree="shell",
    ),
    "eslint": Case(
        "/node_modules/.bin/eslint .",
        under_files(r"(?P<file>/workspace/\S+)$", r" +(?P<line>\d+):\d+ +(?:error|warning) .* (?P<rule>[\w/-]+)$"),
        tree="npm",
        settings=(("eslint.config.js", ESLINT),),
    ),
    "biome": Case(
        "/node_modules/.bin/biome lint --max-diagnostics=none --reporter=github .",
        lines(r"^::\w+ title=(?P<rule>[^,]+),file=(?P<file>[^,]+),line=(?P<line>\d+),"),
        tree="npm",
        settings=(("biome.json", "{}"),),
    ),
}


def planted(tree: str, folder: Path, cache: Path) -> None:
    match tree:
        case "python":
            trees.sdist(trees.PIP_TOOLS, folder, cache)
        case "typed":
            trees.sdist(trees.WSPROTO, folder, cache)
        case "docker":
            trees.sdist(trees.BLACK, folder, cache)
        case "npm":
            trees.npm_package(folder, cache)
        case _:
            trees.own_scripts(folder)


def relative(file: str) -> str:
    return file.removeprefix("/workspace/").removeprefix("./")


async def direct(house: Bench, job: Job, command: str) -> Outcome:
    words = command.split(" ") if not command.startswith("sh -c ") else ["sh", "-c", command[7:-1]]
    return await house.sandbox.run(replace(job, argv=tuple(words), collect=""))


def test_every_linter_is_compared_with_itself() -> None:
    advised = {"pip-audit"}  # with a database that answers it, in test_advised.py
    assert {*CASES, *advised} == {linter.name for linter in Pack.find().manifests("linter")}


@pytest.mark.timeout(600)
@pytest.mark.full
@pytest.mark.parametrize("name", sorted(CASES))
async def test_findings_are_the_tools_own(
    name: str, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = CASES[name]
    base = tmp_path_factory.getbasetemp()
    planted(case.tree, tmp_path / "project", base / "sources")
    for path, text in case.settings:
        (tmp_path / "project" / path).write_text(text)
    async with bench(tmp_path / "data", (tmp_path / "project",), base / "images") as house:
        run, jobs = house.sandbox.run, []

        async def noted(job: Job) -> Outcome:
            jobs.append(job)
            return await run(job)

        monkeypatch.setattr(house.sandbox, "run", noted)
        ours = await house.check(tools=[name])
        own = await direct(house, jobs[-1], case.argv)
    said = (own.stdout or own.stderr).decode()
    expected = Counter((relative(file), line, rule) for file, line, rule in case.read(said))
    items = [item for item in ours.items if name != "mypy" or item.severity == "error"]  # notes have no rule there
    part = {"zizmor": "/", "semgrep": "."}.get(name)  # rules are named by their folder in one form, not in the other
    found = Counter((item.file, item.line, item.rule.rpartition(part)[2] if part else item.rule) for item in items)
    assert ours.tools_run == [name], ours.text()
    assert expected, said[:2_000]
    assert found == expected
    if case.worded:
        printed = " ".join(said.split())
        words = [" ".join(item.message.split()).rstrip(".") for item in items]  # eslint leaves the last point out
        assert [text for text in words if text not in printed] == []
