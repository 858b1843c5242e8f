"""An index of packages that does not answer as it should is told as that, and not as a package that is missing."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.sandbox.web_index import Index, alone, serving
from tests.sandbox.wheels import wheel

from astro_mcp.core.call import silent
from astro_mcp.errors import AstroError, InvalidInput, ProviderFailed
from astro_mcp.sandbox.packages import wheels

PYTHON = {
    "implementation_name": "cpython",
    "implementation_version": "3.13.5",
    "libc": "glibc 2.41",
    "os_name": "posix",
    "platform_machine": "x86_64",
    "platform_python_implementation": "CPython",
    "platform_release": "6",
    "platform_system": "Linux",
    "platform_version": "1",
    "python_full_version": "3.13.5",
    "python_version": "3.13",
    "sys_platform": "linux",
}
NOBODY = "127.0.0.1:9"


@pytest.fixture(autouse=True)
def nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    alone(monkeypatch)


async def failure(folder: Path, monkeypatch: pytest.MonkeyPatch, host: str) -> AstroError:
    monkeypatch.setenv("PIP_INDEX_URL", f"http://somebody:hunter2@{host}/simple")
    place = wheels.Place(folder)
    place.make()
    with pytest.raises(AstroError) as caught:
        await wheels.fetch(["thing"], PYTHON, frozenset(), place, 30, silent)
    assert "hunter2" not in f"{caught.value.message} {caught.value.hint}"
    return caught.value


@pytest.mark.parametrize(
    ("status", "retryable"),
    [
        pytest.param(401, False, marks=pytest.mark.full),
        pytest.param(403, False, marks=pytest.mark.full),
        (503, True),
        pytest.param(500, True, marks=pytest.mark.full),
        pytest.param(429, True, marks=pytest.mark.full),
    ],
)
async def test_what_the_index_answers_in_place_of_its_list_is_told_in_pips_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, status: int, retryable: bool
) -> None:
    with serving(Index({}, status)) as index:
        error = await failure(tmp_path, monkeypatch, index.host)
    assert isinstance(error, ProviderFailed)
    assert error.retryable == retryable
    assert str(status) in error.message
    assert "thing" in error.message
    assert ("does not let this machine's pip in" in error.hint) != retryable


@pytest.mark.full
async def test_an_index_that_nobody_serves_may_be_asked_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    error = await failure(tmp_path, monkeypatch, NOBODY)
    assert isinstance(error, ProviderFailed)
    assert error.retryable
    assert NOBODY in error.message
    assert "could not be reached" in error.hint


@pytest.mark.full
async def test_a_package_that_the_index_has_not_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(Index({})) as index:
        assert isinstance(await failure(tmp_path, monkeypatch, index.host), InvalidInput)


@pytest.mark.full
@pytest.mark.parametrize(("status", "retryable"), [(403, False), (404, True), (503, True)])
async def test_a_file_that_the_index_lists_and_does_not_give_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, status: int, retryable: bool
) -> None:
    made = wheel(tmp_path, "thing")
    page = f'<a href="../../{made.name}">{made.name}</a>'.encode()
    with serving(Index({"/simple/thing/": (200, page)}, status)) as index:
        error = await failure(tmp_path, monkeypatch, index.host)
    assert isinstance(error, ProviderFailed)
    assert error.retryable == retryable
    assert str(status) in error.message
