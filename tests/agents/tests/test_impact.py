"""What a change can reach, file by file: by imports alone, and by what a recorded run told."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from astro_impact import Impact, Recorded, bodies, skeleton

TREE = {
    "src/toy/__init__.py": "",
    "src/toy/low.py": "LIMIT = 3\ndef low():\n    return LIMIT\n",
    "src/toy/high.py": "from .low import low\ndef high():\n    return low()\n",
    "src/toy/apart.py": "def apart():\n    return 1\n",
    "tests/conftest.py": "",
    "tests/test_high.py": "from toy.high import high\ndef test_high():\n    assert high()\n",
    "tests/test_apart.py": "def test_apart():\n    from toy import apart\n    assert apart.apart()\n",
    "tests/test_alone.py": "def test_alone(): pass\n",
    "data.json": "{}",
}
TESTS = ["tests/test_high.py", "tests/test_apart.py", "tests/test_alone.py"]
NONE = Recorded.of({})


def recorded(tree: Mapping[str, str], tests: Mapping[str, Sequence[str]], **more: Any) -> Recorded:
    """A run on `tree` in which each test ran or read the files that stand with it."""
    files = {path: hashlib.sha256(text.encode()).hexdigest() for path, text in tree.items()}
    skeletons = {path: skeleton(text.encode()) for path, text in tree.items() if path.endswith(".py")}
    names = sorted({path for touched in tests.values() for path in touched})
    found = {test: [[names.index(path) for path in touched], False] for test, touched in tests.items()}
    return Recorded.of({"files": files, "skeletons": skeletons, "names": names, "tests": found, **more})


def reached(
    folder: Path, new: Mapping[str, str], known: Recorded = NONE, changed: Sequence[str] | None = None
) -> dict[str, str]:
    """Why each test is selected after `new` was written into the tree."""
    tree = {**TREE, **new}
    for path, text in tree.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    impact = Impact(folder, tree, new if changed is None else changed, known)
    if why := impact.everything():
        return dict.fromkeys(TESTS, why)
    impact.stray([], TESTS)
    return {path: why for path in TESTS if (why := impact.why(f"{path}::test", path))}


@pytest.mark.parametrize(
    ("new", "tests"),
    [
        ({"src/toy/low.py": "LIMIT = 4"}, ["tests/test_high.py"]),
        ({"src/toy/apart.py": "x = 1"}, ["tests/test_apart.py"]),
        ({"src/toy/__init__.py": "x = 1"}, ["tests/test_high.py", "tests/test_apart.py"]),
        ({"tests/test_alone.py": "def test_other(): pass"}, ["tests/test_alone.py"]),
        ({"tests/conftest.py": "x = 1"}, TESTS),
        ({"conftest.py": "x = 1"}, TESTS),
        ({"data.json": "[]"}, TESTS),
        ({"tests/other.py": "x = 1"}, []),
    ],
)
def test_by_imports_a_change_reaches_what_leads_to_it(tmp_path: Path, new: dict[str, str], tests: list[str]) -> None:
    found = reached(tmp_path, new)
    assert list(found) == tests
    assert all(next(iter(new)) in why or "its own file" in why for why in found.values())


@pytest.mark.parametrize(
    "text",
    [
        "import importlib\nfor name in ['a']: importlib.import_module(name)",
        "import subprocess",
        "import os\ndef test(): os.system('x')",
        "def test(pytester): pass",
        "def test(): exec('import toy.low')",
        "def test(: pass",
        "import importlib\nimportlib.import_module('toy.low')",
        "from unittest import mock\ndef test():\n    with mock.patch('toy.low.LIMIT', 1): pass",
        "pytest_plugins = ['low']",
        "from toy import low as other",
        "import toy.low.nothing",
    ],
)
def test_what_may_depend_on_more_than_its_imports_say_is_selected(tmp_path: Path, text: str) -> None:
    (tmp_path / "tests").mkdir()
    tree = {"tests/test_alone.py": text, "src/toy/low.py": "LIMIT = 4\n"}
    assert "tests/test_alone.py" in reached(tmp_path, tree, changed=["src/toy/low.py"])


def test_a_file_that_is_gone_still_reaches_who_imports_it(tmp_path: Path) -> None:
    assert list(reached(tmp_path, {"tests/test_alone.py": "import gone"}, changed=["src/gone.py"])) == [
        "tests/test_alone.py"
    ]


def test_what_something_else_loaded_counts_for_every_test(tmp_path: Path) -> None:
    reached(tmp_path, {})
    impact = Impact(tmp_path, TREE, ["src/toy/apart.py"], NONE)
    impact.stray(["src/toy/apart.py"], ["tests/test_alone.py"])
    assert impact.why("tests/test_alone.py::test", "tests/test_alone.py")


RAN = {
    "tests/test_high.py::test": ["tests/test_high.py", "src/toy/high.py", "src/toy/low.py"],
    "tests/test_apart.py::test": ["tests/test_apart.py", "data.json"],
    "tests/test_alone.py::test": ["tests/test_alone.py"],
}
BODY = {"src/toy/apart.py": "def apart():\n    return 2\n"}


def test_where_it_is_known_what_a_test_ran_the_body_of_a_function_reaches_those_that_ran_it(tmp_path: Path) -> None:
    known = recorded(TREE, RAN)
    assert reached(tmp_path, BODY, known) == {}
    ran = {**RAN, "tests/test_alone.py::test": ["src/toy/apart.py"]}
    assert list(reached(tmp_path, BODY, recorded(TREE, ran))) == ["tests/test_alone.py"]


@pytest.mark.parametrize(
    ("new", "more", "tests"),
    [
        (BODY, {"early": ["src/toy/apart.py"]}, ["tests/test_apart.py"]),
        ({"src/toy/apart.py": "def apart(by=1):\n    return 1\n"}, {}, ["tests/test_apart.py"]),
        ({"data.json": "[]"}, {}, ["tests/test_apart.py"]),
        ({"data.json": "[]"}, {"common": ["data.json"]}, TESTS),
        ({"new.json": "[]"}, {}, TESTS),
        ({"src/toy/new.py": "x = 1"}, {}, []),
        ({"tests/test_apart.py": "def test(): pass"}, {}, ["tests/test_apart.py"]),
    ],
)
def test_what_acts_by_its_import_or_is_no_code_reaches_more(
    tmp_path: Path, new: dict[str, str], more: dict[str, Any], tests: list[str]
) -> None:
    assert list(reached(tmp_path, new, recorded(TREE, RAN, **more))) == tests


def test_what_changed_after_the_record_counts_as_changed(tmp_path: Path) -> None:
    before = {**TREE, "src/toy/low.py": "LIMIT = 2\n"}
    assert list(reached(tmp_path, {}, recorded(before, RAN), changed=["tests/other.py"])) == ["tests/test_high.py"]


def test_a_test_whose_own_file_changed_is_selected_whatever_it_is_recorded_to_have_run(tmp_path: Path) -> None:
    tree = {**TREE, "tests/test_alone.py": "def test_alone():\n    pass\n"}
    known = recorded(tree, {**RAN, "tests/test_alone.py::test": ["src/toy/apart.py"]})
    new = {"tests/test_alone.py": "def test_alone():\n    return\n"}
    assert list(reached(tmp_path, new, known)) == ["tests/test_alone.py"]


def test_what_went_since_the_record_counts_as_changed(tmp_path: Path) -> None:
    before = {**TREE, "src/toy/gone.py": "x = 1\n"}
    ran = {**RAN, "tests/test_apart.py::test": ["src/toy/gone.py"]}
    assert list(reached(tmp_path, {}, recorded(before, ran), changed=["tests/other.py"])) == ["tests/test_apart.py"]


def test_a_test_that_is_no_python_is_selected_by_any_change(tmp_path: Path) -> None:
    reached(tmp_path, {"docs/use.txt": ">>> 1\n1\n"})
    impact = Impact(tmp_path, [*TREE, "docs/use.txt"], ["src/toy/apart.py"], NONE)
    assert "no Python" in impact.why("docs/use.txt::use.txt", "docs/use.txt")


def test_the_package_that_a_test_lies_in_reaches_it(tmp_path: Path) -> None:
    found = reached(tmp_path, {"tests/__init__.py": "x = 1\n"})
    assert list(found) == TESTS


def test_code_that_imports_by_a_made_up_name_is_reached_by_what_acts_at_import(tmp_path: Path) -> None:
    text = "import importlib\ndef test_alone(): importlib.import_module('to' + 'y')\n"
    tree = {**TREE, "tests/test_alone.py": text}
    found = reached(
        tmp_path, {**tree, "src/toy/apart.py": "x = 2\n"}, recorded(tree, RAN), changed=["src/toy/apart.py"]
    )
    assert list(found) == ["tests/test_apart.py", "tests/test_alone.py"]


def test_a_test_that_is_not_on_record_goes_by_its_imports(tmp_path: Path) -> None:
    some = {test: touched for test, touched in RAN.items() if "apart" not in test}
    found = reached(tmp_path, BODY, recorded(TREE, some))
    assert list(found) == ["tests/test_apart.py"]
    found = reached(tmp_path, {"data.json": "[]"}, recorded(TREE, {**some, "x": ["data.json"]}))
    assert list(found) == ["tests/test_apart.py"]


def test_a_test_that_started_another_program_is_reached_by_any_change(tmp_path: Path) -> None:
    known = recorded(TREE, RAN)
    known.tests["tests/test_alone.py::test"]["spawned"] = True  # type: ignore[index] # the record's own dict
    assert list(reached(tmp_path, BODY, known)) == ["tests/test_alone.py"]


def test_a_skeleton_tells_what_runs_at_import_from_the_bodies_of_functions() -> None:
    text = b"@mark\ndef one(a=1):\n    return a\nclass A:\n    x = 1\n    def two(self):\n        return 2\n"
    assert skeleton(text) == skeleton(text.replace(b"return a", b"return -a").replace(b"return 2", b"y = 1; return y"))
    for old, new in ((b"a=1", b"a=2"), (b"x = 1", b"x = 2"), (b"@mark", b"@other"), (b"two", b"three")):
        assert skeleton(text) != skeleton(text.replace(old, new))
    assert bodies(text) == {3, 7}
    assert skeleton(b"def one(): return 1") != skeleton(b"def one(): return 2")
    assert bodies(b"def one(): return 1") == set()
    assert (skeleton(b"def ("), bodies(b"def (")) == ("", set())
