"""Pipfile.lock gives what it pins for the sandbox's own Python, of `default` and of what is for tests."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.sandbox.locks import A, B, C, pinned, pipfile_lock, read

from astro_mcp.errors import InvalidInput, TooLarge

DEFAULT = {
    "alpha": pinned("1.2", A, index="pypi", extras=["fast"], markers="python_version >= '3.8'"),
    "old": pinned("1", A, markers="python_version < '3.8' and python_version not in '3.0, 3.1'"),
    "elsewhere": pinned("1", A, sys_platform="== 'win32'"),
    "delta": {"git": "https://example.org/delta.git", "ref": "0"},
    "folder": {"path": "./other", "editable": True, "markers": "os_name == 'posix'"},
    "some-project": {"path": ".", "editable": True},
    "archive": {"file": "https://example.org/x.zip"},
}
DEVELOP = {
    "beta": pinned("2", B, markers="('dev' in dependency_groups) and (python_version >= '3.8')"),
    "Alpha": pinned("1.1", C),
}


def test_it_gives_what_its_markers_let_through_and_tells_what_is_no_name_with_a_version() -> None:
    lock = pipfile_lock(DEFAULT, develop=DEVELOP)
    wanted = read({"Pipfile.lock": lock})
    assert wanted.requirements == ["alpha==1.2", "beta==2"]
    assert wanted.hashes == {"alpha": {A}, "beta": {B}}
    assert sorted(entry.split(":")[0] for entry in wanted.left_out) == ["archive", "delta", "folder"]
    assert read({"Pipfile.lock": lock}, tests=False).requirements == ["alpha==1.2"]


def test_a_category_that_is_called_so_is_for_tests_and_then_develop_is_not() -> None:
    lock = pipfile_lock({}, develop=DEVELOP, tests={"gamma": pinned("3", C)}, docs={"not-this": pinned("1", A)})
    assert read({"Pipfile.lock": lock}).requirements == ["gamma==3"]


def test_another_python_than_that_of_the_lock_is_told_as_pipenv_tells_it() -> None:
    wanted = read({"Pipfile.lock": pipfile_lock({"alpha": pinned("1.2", A)}, python="3.9")})
    assert wanted.requirements == ["alpha==1.2"]
    assert "3.9" in wanted.left_out[0]


@pytest.mark.parametrize(
    "entry",
    [
        {"hashes": [f"sha256:{A}"], "version": "*"},
        {"hashes": [f"sha256:{A}"], "version": "==1.*"},
        {"hashes": [f"sha256:{A}"], "version": ">=1"},
        {"hashes": [f"sha256:{A}"]},
        {"version": "==1"},
        {"version": "==1", "hashes": ["md5:00"]},
        {"version": "==1", "hashes": f"sha256:{A}"},
        {"version": 1, "hashes": [f"sha256:{A}"]},
        {"version": "==1;x", "hashes": [f"sha256:{A}"]},
        pinned("1", A, markers="((("),
        pinned("1", A, markers=7),
        pinned("1", A, sys_platform="== 'linux' or os_name == 'x' @"),
        7,
    ],
)
def test_a_package_that_is_not_pinned_as_it_should_be_is_refused(entry: object) -> None:
    with pytest.raises(InvalidInput, match=r"Pipfile\.lock|pinned"):
        read({"Pipfile.lock": pipfile_lock({"alpha": entry})})


@pytest.mark.parametrize(
    "document",
    [
        [],
        7,
        {"default": {}},
        {"_meta": {"pipfile-spec": 6}},
        {"_meta": {"pipfile-spec": 7}, "default": {}},
        {"_meta": {"pipfile-spec": "6"}, "default": {}},
        {"_meta": {"pipfile-spec": 6}, "default": ["alpha"]},
        {"_meta": {"pipfile-spec": 6}, "default": {"-r x": pinned("1", A)}},
        {"_meta": {"pipfile-spec": 6, "requires": {"python_version": 3}}, "default": {}},
    ],
)
def test_a_document_of_another_form_is_refused(document: Any) -> None:
    with pytest.raises(InvalidInput, match=r"Pipfile\.lock"):
        read({"Pipfile.lock": json.dumps(document)})


def test_a_lock_of_a_great_many_packages_is_refused() -> None:
    for number, entry in ((191, pinned("1", A)), (2_001, {"git": "https://example.org"})):
        with pytest.raises(TooLarge):
            read({"Pipfile.lock": pipfile_lock({f"p{each}": entry for each in range(number)})})
