"""`code_run` through the dispatcher, in the real sandbox."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from typing import Any, cast

import anyio
import pytest
from tests.agents.code.conftest import House, Open
from tests.quickest import given_more, within

from astro_mcp.agents.code.model import CodeOutput
from astro_mcp.config import SandboxSettings
from astro_mcp.core.authority import Effect, Label
from astro_mcp.core.call import Call, Result
from astro_mcp.errors import NotFound
from astro_mcp.sandbox.sandbox import Sandbox

SETTINGS = SandboxSettings(memory_mb=256)


@pytest.fixture
async def house(open_house: Open, sandbox: Sandbox) -> House:
    return await open_house(SETTINGS, sandbox=sandbox)


def output(result: Result) -> CodeOutput:
    return cast(CodeOutput, result.unwrap())


def png(size: int) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0)
    body = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"\0\0")) + chunk(b"tEXt", bytes(size))
    return b"\x89PNG\r\n\x1a\n" + body + chunk(b"IEND", b"")


async def test_the_last_expression_is_the_result_and_input_is_a_variable(house: House) -> None:
    code = "import sys\nprint(sys.stdin.read())\n{'sum': sum(INPUT), 'name': __name__}"
    got = output(await house.run(input=[1, 2, 3], stdin="said", code=code))
    assert (got.exit_code, got.stdout, got.stderr) == (0, "said\n", "")
    assert got.result == '{"sum": 6, "name": "__main__"}'
    assert got.artifacts == []
    assert got.limits_hit == []
    assert got.run_ms > 0
    assert "result: " in got.text()


async def test_what_is_no_json_comes_as_its_repr_and_none_is_no_result(house: House) -> None:
    assert output(await house.run(code="{1}")).result == "{1}"
    assert output(await house.run(code="x = 1\nNone")).result is None


async def test_a_failing_program_is_a_successful_call_with_its_own_lines_in_the_trace(house: House) -> None:
    got = output(await house.run(code="def f():\n    raise ValueError('no')\n\nf()\n"))
    assert got.exit_code == 1
    assert "line 4" in got.stderr
    assert "raise ValueError('no')" in got.stderr
    assert "run.py" not in got.stderr
    assert "SyntaxError" in output(await house.run(code="def")).stderr
    assert output(await house.run(code="raise SystemExit(7)")).exit_code == 7


async def test_workspace_files_are_copied_in_and_the_workspace_stays_as_it_is(house: House) -> None:
    (house.root / "pkg").mkdir()
    (house.root / "pkg/mod.py").write_text("value = 41")
    (house.root / "out").mkdir()
    (house.root / "out/old.txt").write_text("old")
    (house.root / ".env").write_text("TOKEN=1")
    change = "from pkg.mod import value\nimport os\nopen('pkg/mod.py', 'w').write('changed')\n"
    result = await house.run(paths=["."], code=f"{change}(value + 1, os.path.exists('.env'))")
    got = output(result)
    assert got.result == "[42, false]"
    assert (house.root / "pkg/mod.py").read_text() == "value = 41"
    assert got.artifacts == []
    assert any(".env" in path for path in got.withheld)
    assert result.labels == {Label.PRIVATE, Label.UNTRUSTED}


ODD = "a\nb\x1b.txt"


@pytest.mark.parametrize(
    ("language", "theirs", "told"),
    [
        ("shell", {ODD: "", "kept": "", "code_run.sh": "echo theirs"}, [r"a\nb\x1b.txt (a name", "code_run.sh (the"]),
        pytest.param(
            "shell",
            {"code_run.sh/x": "", "out": "", "kept": ""},
            ["code_run.sh/x (the", "out (the"],
            marks=pytest.mark.full,
        ),
        pytest.param("python", {".astro": "", "kept": ""}, [".astro (the"], marks=pytest.mark.full),
        (
            "python",
            {".astro/run.py": "1/0", ".astro/input.json": "{", ".astro/main.py/x": "", ".astro/own": "", "kept": ""},
            [".astro/input.json (the", ".astro/main.py/x (the", ".astro/run.py (the"],
        ),
    ],
)
async def test_a_file_that_can_not_go_in_is_told_and_the_others_do(
    house: House, language: str, theirs: dict[str, str], told: list[str]
) -> None:
    for path, text in theirs.items():
        (house.root / path).parent.mkdir(parents=True, exist_ok=True)
        (house.root / path).write_text(text)
    code = "ls -A" if language == "shell" else "import os; print(*os.listdir('.'), *os.listdir('.astro'))"
    got = output(await house.run(language=language, paths=["."], code=code))
    assert [line[: len(start)] for line, start in zip(got.withheld, told, strict=True)] == told
    assert (got.exit_code, "kept" in got.stdout.split()) == (0, True), got.stderr
    assert ("own" in got.stdout.split()) == (".astro/own" in theirs)


async def test_files_in_out_are_artifacts_of_the_sessions_scope_and_pictures_are_shown(
    house: House, tmp_path: Path
) -> None:
    picture = png(10)
    files = {"a.png": picture, "fake.png": b"<svg>", "t.csv": b"1,2"}
    result = await house.run(code=f"for name, data in {files!r}.items(): open('out/' + name, 'wb').write(data)")
    got = output(result)
    assert {item.name: item.mime for item in got.artifacts} == {
        "a.png": "image/png",
        "fake.png": "application/octet-stream",
        "t.csv": "text/csv",
    }
    assert [(blob.mime, blob.data) for blob in result.blobs] == [("image/png", picture)]
    sha256 = got.artifacts[0].uri.removeprefix("astro://artifacts/")
    assert await house.artifacts.get(house.session.scope, sha256) == (picture, "image/png")
    with pytest.raises(NotFound):
        await house.artifacts.get(house.with_grant(roots=()).scope, sha256)


async def test_pictures_over_the_bound_together_are_artifacts_only(house: House) -> None:
    code = f"a = {png(0)!r}\nfor n in range(3): open(f'out/{{n}}.png', 'wb').write(a + bytes(300_000))"
    result = await house.run(code=code)
    assert len(output(result).artifacts) == 3
    assert sum(len(blob.data) for blob in result.blobs) <= 700_000
    assert len(result.blobs) == 2


async def test_output_comes_as_progress_that_only_grows(house: House) -> None:
    async def run(pause: float) -> list[tuple[float, str]]:
        seen: list[tuple[float, str]] = []

        async def progress(done: float, total: float | None, text: str) -> None:
            seen.append((done, text))

        code = f"import time\nfor n in range(3):\n    print('line', n)\n    time.sleep({pause})"
        await house.run(watch=progress, code=code)
        return seen

    seen = await given_more(0.15, run, lambda seen: len(seen) == 3)
    assert [text for _, text in seen] == ["line 0", "line 1", "line 2"]
    assert [done for done, _ in seen] == [1, 2, 3]


async def test_a_timeout_keeps_what_was_printed(house: House) -> None:
    code = "import time\nprint('kept')\ntime.sleep(60)"

    async def run(seconds: float) -> CodeOutput:
        return output(await house.run(timeout=seconds, code=code))

    got = await given_more(1, run, lambda got: got.stdout != "")
    assert (got.limits_hit, got.stdout) == (["timeout"], "kept\n")
    assert "limits hit: timeout" in got.text()


async def test_a_session_without_a_root_can_run_code_but_not_on_files(house: House) -> None:
    homeless = house.with_grant(roots=())
    assert output(await house.run(by=homeless, code="1 + 1")).result == "2"
    refused = await house.run(by=homeless, paths=["."], code="1")
    assert refused.error is not None
    assert refused.error.code == "no_root"


@pytest.mark.parametrize(
    ("effect", "arguments"),
    [(Effect.NETWORK, {"packages": ["x"]}), (Effect.READ, {"paths": ["."]}), (Effect.EXECUTE, {})],
)
async def test_what_the_grant_lacks_is_refused(house: House, effect: Effect, arguments: dict[str, Any]) -> None:
    narrow = house.with_grant(effects=frozenset(Effect) - {effect})
    refused = await house.run(by=narrow, code="1", **arguments)
    assert refused.error is not None
    assert refused.error.code == "forbidden"


@pytest.mark.parametrize(
    "arguments",
    [
        {"code": ""},
        {"code": "1", "language": "cobol"},
        {"code": "1", "timeout": 0},
        {"code": "1", "input": "{no json"},
        {"code": "1", "packages": ["-r x"]},
        {"code": "1", "session": "../s"},
        {"code": "1", "end_session": True},
    ],
)
async def test_bad_arguments_are_told(house: House, arguments: dict[str, Any]) -> None:
    refused = await house.run(**arguments)
    assert refused.error is not None
    assert refused.error.code == "invalid_input"


async def test_input_that_is_too_deep_is_told_without_docker(open_house: Open, tmp_path: Path) -> None:
    house = await open_house(SandboxSettings(engine=f"unix://{tmp_path}/none.sock"))
    refused = await house.run(code="1", input="[" * 100_000)
    assert refused.error is not None
    assert refused.error.code == "invalid_input"


async def test_without_docker_it_fails_at_once_with_one_line_and_health_says_the_same(
    open_house: Open, tmp_path: Path
) -> None:
    house = await open_house(SandboxSettings(engine=f"unix://{tmp_path}/none.sock"))
    refused = await within(1, lambda: house.run(code="1"))
    assert refused.error is not None
    assert refused.error.code == "sandbox_unavailable"
    health = await house.dispatcher.registry.agents["code"].health()
    assert not health.ok
    assert health.fix == refused.error.hint != ""


@pytest.mark.full
async def test_figures_of_matplotlib_are_saved_and_shown(house: House) -> None:
    code = "import matplotlib.pyplot as p\np.plot([1, 2])\np.figure()\np.plot([2, 1])\nNone"
    result = await house.run(packages=["matplotlib"], code=code, timeout=120)
    assert [item.name for item in output(result).artifacts] == ["figure-1.png", "figure-2.png"]
    assert [blob.mime for blob in result.blobs] == ["image/png"] * 2


async def test_a_session_keeps_names_and_files_and_gives_back_each_file_once(house: House) -> None:
    first = output(await house.run(session="s", code="x = 20\nopen('out/a.txt', 'w').write('1')\nx"))
    assert (first.result, first.session_ended, [one.name for one in first.artifacts]) == ("20", False, ["a.txt"])
    again = output(await house.run(session="s", code="x", input="[1]"))
    assert (again.result, again.artifacts) == ("20", [])
    last = output(await house.run(session="s", code="('INPUT' in globals(), x + 1)", end_session=True))
    assert (last.result, last.session_ended) == ("[false, 21]", True)
    anew = output(await house.run(session="s", code="'x' in globals()"))
    assert anew.result == "false"
    assert output(await house.run(code="1")).session_ended is None


async def test_an_error_in_a_session_shows_the_codes_own_lines_and_leaves_it_up(house: House) -> None:
    failed = output(await house.run(session="s", code="def f():\n    return 1 / 0\nf()"))
    assert failed.exit_code == 1
    assert "in f" in failed.stderr
    assert "run.py" not in failed.stderr
    assert output(await house.run(session="s", code="f.__name__")).result == '"f"'


async def test_a_session_belongs_to_its_scope(house: House, tmp_path: Path) -> None:
    output(await house.run(session="s", code="x = 1"))
    other = house.with_grant(roots=(tmp_path,))
    result = await house.run(by=other, session="s", code="'x' in globals()")
    assert result.unwrap().model_dump()["result"] == "false"


async def test_what_came_into_a_session_labels_its_later_turns_and_takes_a_grant_that_reads(house: House) -> None:
    (house.root / "notes.txt").write_text("private words")
    narrow = house.with_grant(effects=frozenset({Effect.EXECUTE}))
    assert (await house.run(by=narrow, session="s", code="1")).labels == frozenset()
    first = await house.run(session="s", paths=["notes.txt"], code="1")
    assert first.labels == {Label.PRIVATE, Label.UNTRUSTED}
    read = "open('notes.txt').read()"
    later = await house.run(session="s", code=f"open('out/copy', 'w').write({read})\n{read}")
    assert output(later).result == '"private words"'
    assert later.labels == {Label.PRIVATE, Label.UNTRUSTED}
    refused = await house.run(by=narrow, session="s", code=read)
    assert refused.error is not None
    assert (refused.error.code, "read" in refused.error.message) == ("forbidden", True)
    assert output(await house.run(session="s", code="1")).session_ended is False
    assert (await house.run(by=narrow, session="other", code="1")).labels == frozenset()


@pytest.mark.full
async def test_labels_that_a_call_brings_stay_in_its_session(house: House) -> None:
    given = frozenset({Label.UNTRUSTED})
    call = Call(house.session, "code_run", {"session": "s", "code": "x = INPUT", "input": "[1]"}, labels=given)
    assert (await house.dispatcher.call(call)).labels == given
    # each by a host that has seen nothing itself: what one has seen stays with it
    assert (await house.run(by=house.with_grant(), session="s", code="x")).labels == given
    assert (await house.run(by=house.with_grant(), session="s", code="1", end_session=True)).labels == given
    assert (await house.run(by=house.with_grant(), session="s", code="1")).labels == frozenset()


@pytest.mark.full
async def test_end_session_without_code_ends_a_busy_session_at_once(house: House) -> None:
    begun = anyio.Event()
    met = []

    async def watch(done: float, total: float | None, text: str) -> None:
        begun.set()

    async def busy() -> None:
        code = "import time\nprint('up', flush=True)\ntime.sleep(100)"
        met.append(await house.run(watch, session="s", code=code, timeout=100))

    async with anyio.create_task_group() as group:
        group.start_soon(busy)
        with anyio.fail_after(60):
            await begun.wait()
            assert output(await house.run(session="s", end_session=True, code="")).session_ended
    assert [result.error and result.error.code for result in met] == ["cancelled"]
    missing = await house.run(session="s", end_session=True, code="")
    assert missing.error is not None
    assert missing.error.code == "not_found"
