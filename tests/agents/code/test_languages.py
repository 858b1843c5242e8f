"""`code_run` in every language that has a manifest: each does the same, and tells its errors in its own words."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import anyio
import pytest
from tests.agents.code.conftest import House, Open
from tests.quickest import within

from astro_mcp.agents.code.languages import Languages
from astro_mcp.agents.code.model import CodeInput, CodeOutput
from astro_mcp.config import SandboxSettings
from astro_mcp.errors import AstroError, InvalidInput
from astro_mcp.packs import Language, Pack
from astro_mcp.sandbox.sandbox import Sandbox

SETTINGS = SandboxSettings(memory_mb=256, warm=0)

# Each copies its input in upper case to out/made.txt, says "done" on stderr, and ends with 3.
WHOLE = {
    "shell": "tr a-z A-Z >out/made.txt; cat out/made.txt given.txt; echo done >&2; exit 3",
    "javascript": """
import fs from 'fs'
const text = fs.readFileSync(0, 'utf8').toUpperCase()
fs.writeFileSync('out/made.txt', text)
console.log(text + fs.readFileSync('given.txt', 'utf8'))
console.error('done')
process.exitCode = 3
""",
    "typescript": """
import * as fs from 'fs'
import { suffix } from './lib/more'
enum Ending { Odd = 3 }
const text: string = fs.readFileSync(0, 'utf8').toUpperCase()
fs.writeFileSync('out/made.txt', text)
console.log(text + require('fs').readFileSync('given.txt', 'utf8') + suffix(''))
console.error(await Promise.resolve('done'))
process.exitCode = Ending.Odd
""",
    "c": r"""
#include <ctype.h>
#include <stdio.h>
int main(void) {
    FILE *made = fopen("out/made.txt", "w"), *given = fopen("given.txt", "r");
    for (int c; (c = getchar()) != EOF;) { putchar(toupper(c)); putc(toupper(c), made); }
    for (int c; (c = getc(given)) != EOF;) putchar(c);
    fputs("done\n", stderr);
    return fclose(made) + 3;
}
""",
    "cpp": r"""
#include <algorithm>
#include <fstream>
#include <iostream>
#include <iterator>
int main() {
    std::string text{std::istreambuf_iterator<char>(std::cin), {}};
    std::ranges::transform(text, text.begin(), [](unsigned char c) { return std::toupper(c); });
    std::ofstream("out/made.txt") << text;
    std::cout << text << std::ifstream("given.txt").rdbuf();
    std::cerr << "done\n";
    return 3;
}
""",
    "rust": r"""
use std::{fs, io, process};
fn main() {
    let text = io::read_to_string(io::stdin()).unwrap().to_uppercase();
    fs::write("out/made.txt", &text).unwrap();
    println!("{text}{}", fs::read_to_string("given.txt").unwrap());
    eprintln!("done");
    process::exit(3)
}
""",
}
# What no compiler takes, and a word of each that tells where.
BROKEN = {
    "typescript": ("const x: number = = 1", "code_run.ts:1:18"),
    "c": ("int main(void) { return x; }", "code_run.c:1:25: error"),
    "cpp": ("int main() { return x; }", "code_run.cpp:1:21: error"),
    "rust": ("fn main() { let x: u8 = 1000; }", "code_run.rs:1:25"),
}
# What ends in an error of its own: the exit code, and a word of it.
FAILING = {
    "shell": ("set -e\nfalse\necho never", 1, ""),
    "javascript": ("console.log('before')\nthrow new Error('no')", 1, "code_run.js:2"),
    "typescript": ("type T = string\n\nfunction f(): T { throw new Error('no') }\nf()", 1, "code_run.ts:3"),
    "c": ("int main(void) { *(volatile int *)0 = 1; }", 139, ""),
    "rust": ('fn main() { None::<u8>.expect("no") ; }', 101, "code_run.rs:1"),
}


@pytest.fixture
async def house(open_house: Open, sandbox: Sandbox) -> House:
    """No container waits here: each test has one run or two, and the next would be made for nobody."""
    return await open_house(SETTINGS, sandbox=sandbox)


def output(result: Any) -> CodeOutput:
    return cast(CodeOutput, result.unwrap())


async def together(
    house: House, programs: Mapping[str, str], said: dict[str, list[str]] | None = None, **arguments: Any
) -> dict[str, CodeOutput]:
    """What each language's program gave; they run at once. `said` is given what each told of its progress."""
    got = {}

    async def run(language: str, code: str) -> None:
        texts = [] if said is None else said.setdefault(language, [])

        async def progress(done: float, total: float | None, text: str) -> None:
            texts.append(text)

        got[language] = output(await house.run(watch=progress, language=language, code=code, **arguments))

    async with anyio.create_task_group() as group:
        for language, code in programs.items():
            group.start_soon(run, language, code)
    return got


def pack_with(folder: Path, **manifests: str) -> Pack:
    """A pack of its own, with these languages alone."""
    (folder / "tools" / "languages").mkdir(parents=True)
    (folder / "resources").mkdir()
    for name, text in manifests.items():
        head = f'schema = 1\nkind = "language"\nname = "{name}"\ninstall_hint = "make it"\n'
        (folder / "tools" / "languages" / f"{name}.tool.toml").write_text(head + text)
    return Pack.first([folder])


def test_every_language_but_python_has_a_whole_program_here() -> None:
    languages = Pack.find().manifests("language")
    assert {language.name for language in languages} - {"python"} == set(WHOLE)
    assert {language.name for language in languages if language.build} == set(BROKEN)
    told = str(CodeInput.model_fields["language"].description)
    assert all(language.name in told for language in languages), "hosts read the names there"


async def test_programs_read_print_write_and_end_as_they_say(house: House) -> None:
    (house.root / "given.txt").write_text("given")
    (house.root / "lib").mkdir()
    (house.root / "lib/more.ts").write_text("export function suffix(text: string): string { return text }")
    said: dict[str, list[str]] = {}
    found = await together(house, WHOLE, said, paths=["given.txt", "lib"], stdin="text")
    assert set(found) == set(WHOLE)
    for language, got in found.items():
        assert (got.exit_code, got.stdout.strip(), got.stderr) == (3, "TEXTgiven", "done\n"), language
        assert [(item.name, item.bytes) for item in got.artifacts] == [("made.txt", 4)]
        assert (got.result, got.limits_hit, got.built) == (None, [], True if language in BROKEN else None), language
        assert said[language], language


async def test_a_program_that_can_not_be_built_is_told_by_its_compiler(house: House) -> None:
    for language, got in (await together(house, {name: code for name, (code, _) in BROKEN.items()})).items():
        assert (got.built, got.exit_code, got.stdout) == (False, 1, ""), language
        assert BROKEN[language][1] in got.stderr
        assert "not built" in got.text()


@pytest.mark.full
async def test_a_compiler_is_within_the_limits_of_the_run(house: House) -> None:
    got = output(await house.run(language="c", code='#include "/dev/zero"'))
    assert (got.built, got.exit_code, got.limits_hit) == (False, 1, ["memory"])
    assert output(await house.run(language="c", code="int main(void) { return 0; }")).built is True


@pytest.mark.full
async def test_a_program_that_fails_is_told_by_itself(house: House) -> None:
    for language, got in (await together(house, {name: code for name, (code, _, _) in FAILING.items()})).items():
        _, status, told = FAILING[language]
        assert (got.exit_code, got.built) == (status, True if language in BROKEN else None), language
        assert told in got.stderr
        assert "never" not in got.stdout


@pytest.mark.full
async def test_a_timeout_keeps_what_was_printed(house: House) -> None:
    endless = {
        "js": "console.log('kept'); setInterval(() => {}, 1000)",
        "c": '#include <stdio.h>\nint main(void) { puts("kept"); for (;;); }',
    }
    for language, got in (await together(house, endless, timeout=3)).items():
        assert (got.limits_hit, got.stdout) == (["timeout"], "kept\n"), language


async def test_a_manifest_in_a_pack_adds_a_language(open_house: Open, tmp_path: Path) -> None:
    awk = 'file = "code_run.awk"\nargv = ["awk", "-f", "code_run.awk"]\naliases = ["mawk"]\n[env]\nGREETING = "hello"\n'
    slow = 'file = "slow"\nbuild = ["sh", "-c", "echo at work; sleep 100", "slow"]\nargv = ["true"]\n'
    absent = 'file = "absent"\nbuild = ["no-such-compiler", "absent"]\nargv = ["true"]\n'
    house = await open_house(SETTINGS, pack_with(tmp_path / "pack", awk=awk, slow=slow, absent=absent))
    greet = '{ print ENVIRON["GREETING"], $1 }'
    assert output(await house.run(language=" MAWK ", stdin="you", code=greet)).stdout == "hello you\n"
    late = output(await house.run(language="slow", timeout=1, code="x"))
    assert (late.built, late.limits_hit, late.stdout, late.stderr) == (False, ["timeout"], "", "at work\n")
    missing = output(await house.run(language="absent", code="x"))
    assert (missing.built, missing.exit_code) == (False, 127)
    assert "no-such-compiler" in missing.stderr
    gone = await house.run(code="1")
    assert gone.error is not None
    assert gone.error.code == "invalid_input", "this pack has no Python"


async def test_a_missing_image_is_told_at_once_with_the_line_that_makes_it(open_house: Open, tmp_path: Path) -> None:
    text = 'file = "x.zig"\nargv = ["zig", "x.zig"]\n[image]\ndebian = ["a-package-that-nobody-made"]\n'
    house = await open_house(SETTINGS, pack_with(tmp_path / "pack", zig=text))
    refused = await within(2, lambda: house.run(language="zig", code="x"))
    assert refused.error is not None
    assert (refused.error.code, refused.error.hint) == ("sandbox_unavailable", "make it")


def test_the_line_of_each_language_is_the_command_that_makes_its_image() -> None:
    for language in Pack.find().manifests("language"):
        extra = f" --language {language.name}" if language.image else ""
        assert language.install_hint == f"astro-mcp sandbox build{extra}"


@pytest.mark.parametrize(("given", "near"), [("javscript", "javascript"), ("c+", "c++"), ("Pyton", "python"), ("", "")])
def test_an_unknown_language_is_told_with_the_nearest_and_all_others(given: str, near: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        Languages(Pack.find().manifests("language")).named(given)
    assert caught.value.problems[0].suggestion == near
    assert "rust" in caught.value.hint


@pytest.mark.parametrize("arguments", [{"packages": ["x"]}, {"session": "s"}, {"input": "[1]"}])
async def test_what_python_alone_has_is_refused_for_others(house: House, arguments: dict[str, Any]) -> None:
    refused = await house.run(language="shell", code="true", **arguments)
    assert refused.error is not None
    assert refused.error.code == "unsupported"
    assert refused.error.hint


def test_two_languages_of_one_name_are_refused(tmp_path: Path) -> None:
    text = 'file = "x"\nargv = ["run", "x"]\naliases = ["same"]\n'
    found: list[Language] = pack_with(tmp_path, one=text, two=text).manifests("language")
    with pytest.raises(AstroError, match="two and one are both called same"):
        Languages(found)
