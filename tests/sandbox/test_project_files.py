"""What a project needs is read from what it has written down, and from nothing that would have to run."""

from __future__ import annotations

import pytest
from tests.quickest import computed

from astro_mcp.sandbox.packages.project_files import Finder
from astro_mcp.sandbox.packages.wanted import Wanted


def found_in(files: dict[str, str]) -> Wanted:
    return Finder({path: text.encode() for path, text in files.items()}, tests=True).find()


def test_dependencies_and_the_extras_and_groups_for_tests_are_found() -> None:
    wanted = found_in(
        {
            "pyproject.toml": """
            [project]
            name = "Some.Project"
            dependencies = ["alpha>=1", "beta[fast]<3; python_version >= '3.9'"]
            [project.optional-dependencies]
            Tests = ["gamma"]
            docs = ["not-this"]
            [dependency-groups]
            test = ["delta==2", {include-group = "shared"}]
            shared = ["epsilon"]
            lint = ["nor-this"]
            """
        }
    )
    assert wanted.requirements == ["alpha>=1", 'beta[fast]<3; python_version >= "3.9"', "delta==2", "epsilon", "gamma"]
    assert wanted.left_out == []


def test_what_is_for_development_counts_only_where_nothing_is_for_tests() -> None:
    groups = '[dependency-groups]\ndev = ["alpha"]\n'
    assert found_in({"pyproject.toml": groups}).requirements == ["alpha"]
    assert found_in({"pyproject.toml": groups + 'test = ["beta"]\n'}).requirements == ["beta"]


def test_markers_are_kept_for_the_sandbox_to_weigh_and_each_has_versions_of_its_own() -> None:
    text = """[project]\ndependencies = ["a<2; python_version < '3.9'", "a>2; python_version >= '3.9'", "a!=7"]"""
    kept = ["a!=7", 'a<2; python_version < "3.9"', 'a>2; python_version >= "3.9"']
    assert found_in({"pyproject.toml": text}).requirements == kept


def test_the_project_itself_is_left_out_and_its_extras_are_followed_once() -> None:
    wanted = found_in(
        {
            "pyproject.toml": """
            [project]
            name = "some-project"
            [project.optional-dependencies]
            test = ["Some_Project[more]", "alpha"]
            more = ["some-project[test,more]", "beta"]
            """
        }
    )
    assert wanted.requirements == ["alpha", "beta"]


def test_groups_that_include_each_other_end() -> None:
    text = '[dependency-groups]\ntest = ["alpha", {include-group = "dev"}]\ndev = [{include-group = "test"}]'
    assert found_in({"pyproject.toml": text}).requirements == ["alpha"]


def test_of_a_package_named_twice_both_sets_of_versions_hold() -> None:
    wanted = found_in({"requirements.txt": "alpha>=1\n", "requirements-test.txt": "Alpha<3\n"})
    assert wanted.requirements == ["alpha<3,>=1"]


def test_requirements_files_give_names_and_versions_and_the_rest_is_told() -> None:
    wanted = found_in(
        {
            "requirements.txt": (
                f"# a comment\nalpha==1.0 \\\n    --hash=sha256:{'0' * 64}\nbeta>=2  # why\n"
                "-e .\n-e ../other\n--index-url https://example.org/simple\n"
                "gamma @ https://example.org/gamma.whl\n./local\ngit+https://example.org/x.git\n-r more.txt\n"
            ),
            "more.txt": "delta\n-r requirements.txt\n",
            "requirements-docs.txt": "not-this\n",
            "requirements/test.txt": "epsilon\n",
        }
    )
    assert wanted.requirements == ["alpha==1.0", "beta>=2", "delta", "epsilon"]
    told = "\n".join(wanted.left_out)
    for part in ("../other", "--index-url", "gamma", "./local", "git+https"):
        assert part in told
    assert len(wanted.left_out) == 5


def test_requirements_that_windows_wrote_keep_their_versions_and_hashes() -> None:
    text = f"alpha==1.0 \\\r\n    --hash=sha256:{'0' * 64}\r\nbeta\r\n"
    wanted = Finder({"requirements.txt": text.encode("utf-8-sig")}, tests=True).find()
    assert (wanted.requirements, wanted.left_out) == (["alpha==1.0", "beta"], [])
    assert wanted.hashes == {"alpha": frozenset(["0" * 64])}


@pytest.mark.parametrize("line", ["alpha{}x", "-r{}x y", "-r{}x"])
@pytest.mark.parametrize("gap", [" ", "="])
def test_a_line_that_is_made_to_cost_is_read_in_time(line: str, gap: str) -> None:
    files = {"requirements.txt": f"{line.format(gap * 100_000)}\nbeta\n"}
    assert computed(1, lambda: found_in(files)).requirements == ["beta"]


def test_a_platform_of_blanks_is_told_in_no_time() -> None:
    text = f"[tool.poetry.dependencies]\nalpha = {{version = '1', platform = '{' ' * 20_000}!'}}\n"
    assert computed(1, lambda: found_in({"pyproject.toml": text})).requirements == []


def test_an_include_that_leaves_the_project_finds_nothing() -> None:
    assert found_in({"requirements.txt": "-r ../../etc/passwd\nalpha\n"}).requirements == ["alpha"]


@pytest.mark.parametrize("name", ["pyproject.toml", "Pipfile"])
def test_a_key_of_5000_parts_is_told(name: str) -> None:
    assert "16 parts" in found_in({name: "a" + ".a" * 5_000 + " = 1"}).left_out[0]


def test_what_only_a_build_backend_knows_is_told() -> None:
    assert "build backend" in found_in({"pyproject.toml": '[project]\ndynamic = ["dependencies"]'}).left_out[0]
    assert "setup.py" in found_in({"setup.py": "raise SystemExit"}).left_out[0]


POETRY = """
[tool.poetry]
name = "some-project"
[tool.poetry.dependencies]
python = "^3.8"
alpha = "^1.2"
beta = {version = "~2.1", extras = ["fast", "good"], markers = "os_name == 'posix'", python = "<3.9 || ^3.10"}
gamma = [{version = "<2", python = "<3.9"}, {version = ">=2", python = ">=3.9"}]
mac = {version = "*", platform = "darwin"}
delta = {version = "^1", optional = true}
unused = {version = "^1", optional = true}
source = {git = "https://example.org/x.git", tag = "1"}
folder = {path = "../folder", develop = true}
archive = {url = "https://example.org/x.whl"}
choice = "^1 || ^3"
odd = 7
[tool.poetry.extras]
testing = ["delta"]
[tool.poetry.group.test]
include-groups = ["shared", "test"]
[tool.poetry.group.test.dependencies]
epsilon = "1.*"
[tool.poetry.group.shared.dependencies]
zeta = "*"
[tool.poetry.dev-dependencies]
eta = "*"
"""


def test_the_dependencies_extras_and_groups_of_poetry_become_requirements_and_what_can_not_is_told() -> None:
    wanted = found_in({"pyproject.toml": POETRY})
    python = '(python_version < "3.9" or (python_version < "4" and python_version >= "3.10"))'
    assert wanted.requirements == [
        "alpha<2,>=1.2",
        f'beta[fast,good]<2.2,>=2.1; os_name == "posix" and {python}',
        "delta<2,>=1",
        "epsilon==1.*",
        'gamma<2; python_version < "3.9"',
        'gamma>=2; python_version >= "3.9"',
        'mac; sys_platform == "darwin"',
        "zeta",
    ]
    assert sorted(entry.split(":")[0] for entry in wanted.left_out) == [
        "archive",
        "choice",
        "folder",
        "odd 7",
        "source",
    ]
    assert (
        found_in({"pyproject.toml": POETRY.replace("group.test", "group.docs").replace("testing", "docs")})
        .requirements[2]
        .startswith("eta")
    )


def test_where_both_are_said_project_counts_and_poetry_tells_what_comes_from_elsewhere() -> None:
    both = """
    [project]
    dependencies = ["alpha>=1", "folder>=2"]
    [tool.poetry.dependencies]
    alpha = {source = "private"}
    folder = {path = "../folder", develop = true}
    more = "*"
    """
    wanted = found_in({"pyproject.toml": both})
    assert wanted.requirements == []
    assert [entry.split(":")[0] for entry in wanted.left_out] == ["alpha", "folder"]
    assert found_in({"pyproject.toml": both.replace("private", "PyPI")}).requirements == ["alpha>=1"]
    dynamic = both.replace('dependencies = ["alpha>=1", "folder>=2"]', 'dynamic = ["dependencies"]')
    wanted = found_in({"pyproject.toml": dynamic})
    assert wanted.requirements == ["more"]
    assert [entry.split(":")[0] for entry in wanted.left_out] == ["alpha", "folder"]


def test_what_uv_takes_from_elsewhere_is_not_asked_of_the_machines_index() -> None:
    text = """
    [project]
    dependencies = ["alpha", "Be.ta", "gamma", "delta"]
    [tool.uv.sources]
    alpha = {index = "private"}
    be-ta = [{git = "https://example.org/x", marker = "sys_platform == 'linux'"}, {workspace = true}]
    gamma = {index = "pypi"}
    """
    wanted = found_in({"pyproject.toml": text})
    assert wanted.requirements == ["delta", "gamma"]
    assert [entry.split(":")[0] for entry in wanted.left_out] == ["alpha", "Be.ta"]


def test_a_pipfile_gives_its_packages_and_those_for_tests() -> None:
    pipfile = """
    [[source]]
    url = "https://example.org/simple"
    name = "private"
    [packages]
    alpha = "*"
    beta = {version = ">=2,<3", extras = ["fast"], index = "private"}
    gamma = {version = "3.*", sys_platform = "== 'win32'", markers = "python_version >= '3.9'"}
    delta = {git = "https://example.org/x.git", ref = "0"}
    folder = {path = ".", editable = true}
    caret = "^1"
    odd = 7
    [dev-packages]
    epsilon = "==1.0"
    [docs]
    not-this = "*"
    [requires]
    python_version = "3.9"
    [scripts]
    test = "pytest"
    """
    wanted = found_in({"Pipfile": pipfile})
    assert wanted.requirements == [
        "alpha",
        "epsilon==1.0",
        'gamma==3.*; python_version >= "3.9" and sys_platform == "win32"',
    ]
    assert sorted(entry.split(":")[0] for entry in wanted.left_out) == ["beta", "caret ^1", "delta", "folder", "odd 7"]
    assert (
        "beta[fast]<3,>=2" in found_in({"Pipfile": pipfile.replace('index = "private"', 'index = "pypi"')}).requirements
    )
    assert found_in({"Pipfile": pipfile.replace("[docs]", "[tests]")}).requirements[1].startswith("gamma")


def test_a_web_of_groups_that_include_one_another_twice_is_followed_once() -> None:
    links = [
        f'g{number} = [{{include-group = "g{number + 1}"}}, {{include-group = "g{number + 1}"}}]'
        for number in range(60)
    ]
    text = "\n".join(["[dependency-groups]", 'test = [{include-group = "g0"}]', *links, 'g60 = ["alpha"]'])
    assert found_in({"pyproject.toml": text}).requirements == ["alpha"]
    links = [
        f'[tool.poetry.group.g{number}]\ninclude-groups = ["g{number + 1}", "g{number + 1}"]' for number in range(60)
    ]
    text = "\n".join(
        ['[tool.poetry.group.test]\ninclude-groups = ["g0"]', *links, "[tool.poetry.group.g60.dependencies]"]
    )
    assert found_in({"pyproject.toml": text + '\nalpha = "*"'}).requirements == ["alpha"]


def test_hostile_settings_give_no_requirement_and_no_exception() -> None:
    for text in (
        "project = 1",
        "[project]\ndependencies = 'alpha'\nname = ['x']",
        "[project]\ndependencies = [1, {a = 1}, '--index-url=https://example.org', '']",
        "[dependency-groups]\ntest = {a = 1}\ndev = [[['x']]]",
        "[dependency-groups]\ntest = [{include-group = 7}]",
        "tool = []\n[project.optional-dependencies]\ntest = 'alpha'",
        "not toml",
        "a = " + "[" * 50_000,
        "[tool.poetry]\ndependencies = 7\ngroup = {test = 7, dev = {dependencies = [7]}}\nextras = {test = 7}",
        "[tool.poetry.dependencies]\n'x @ https://example.org' = '*'\n'-r x' = '*'\nalpha = '1; x'\nbeta = [[7]]",
        "[tool.poetry.dependencies]\nalpha = {version = 7}\nbeta = {extras = ['] @ x']}\ngamma = {markers = '((('}",
        "[tool.poetry.dependencies]\nalpha = {platform = 'linux\" or'}\nbeta = {extras = 'x'}",
        "[tool.poetry.dependencies]\nalpha = {markers = 7}\nbeta = {python = 7, os_name = 7}\ngamma = {version = '@'}",
    ):
        assert found_in({"pyproject.toml": text}).requirements == []


def test_a_hostile_pipfile_gives_no_requirement_and_no_exception() -> None:
    for text in (
        "not toml",
        "packages = 7\ndev-packages = ['alpha']",
        "[packages]\n'x @ https://example.org' = '*'\n'-r x' = '*'\nalpha = '1; x'\nbeta = [['x']]",
        "[packages]\nalpha = {version = 7}\nbeta = {extras = ['] @ x']}\ngamma = {markers = '((('}\nd = {extras = 'x'}",
        "[packages]\nalpha = {markers = 7}\nbeta = {os_name = 7}\ngamma = {version = '@'}\nd = {os_name = 'x'}",
    ):
        assert found_in({"Pipfile": text}).requirements == []


def test_a_flood_of_requirements_is_bounded() -> None:
    wanted = found_in({"requirements.txt": "\n".join(f"package{number}" for number in range(5_000))})
    assert len(wanted.requirements) == 190
    assert len(wanted.left_out) <= 190


def test_a_flood_of_poetrys_and_pipenvs_entries_is_not_read_to_its_end() -> None:
    many = "\n".join(f"p{number} = 7" for number in range(1_000)) + '\nlast = "*"'
    for path, table in (("pyproject.toml", "[tool.poetry.dependencies]"), ("Pipfile", "[packages]")):
        assert found_in({path: f'{table}\nfirst = "*"\n{many}'}).requirements == ["first"]
    often = "x = [" + '"^1", ' * 1_001 + "]"
    assert found_in({"pyproject.toml": f"[tool.poetry.dependencies]\n{often}"}).requirements == []


def test_of_a_package_named_very_often_no_more_versions_are_kept_than_can_be_asked_for() -> None:
    wanted = found_in({"requirements.txt": "\n".join(f"alpha!={number}" for number in range(1_000))})
    assert 150 < len(wanted.requirements[0]) <= 200
    assert "alpha!=999" not in wanted.requirements[0]
    assert len(wanted.left_out) == 190


def test_what_is_ours_gives_way_to_the_versions_of_the_project() -> None:
    wanted = found_in({"requirements.txt": "PyTest<8\n"})
    wanted.require("pytest>=7")
    wanted.require("other>=1")
    assert wanted.requirements == ["other>=1", "PyTest<8"]


SETUP_CFG = """[options]
install_requires =
    alpha>=1  # first
    beta; python_version >= "3.9"
    git+https://example.org/x
[options.extras_require]
test =
    gamma
docs = not-this
"""


def test_setup_cfg_counts_where_pyproject_has_no_project_or_leaves_dependencies_to_it() -> None:
    kept = ["alpha>=1", 'beta; python_version >= "3.9"', "gamma"]
    for more in ({}, {"pyproject.toml": "[tool.x]\n"}, {"setup.py": "setup()"}):
        wanted = found_in({"setup.cfg": SETUP_CFG} | more)
        assert (wanted.requirements, len(wanted.left_out)) == (kept, 1)
    assert found_in({"setup.cfg": SETUP_CFG, "pyproject.toml": "[project]\nname = 'x'\n"}).requirements == []
    dynamic = "[project]\nname = 'x'\ndynamic = ['dependencies']\n"
    assert found_in({"setup.cfg": SETUP_CFG, "pyproject.toml": dynamic}).requirements == kept
    assert "setup.cfg" in found_in({"setup.cfg": "no section"}).left_out[0]


SETUP_PY = """from setuptools import setup
import nothing_like_it
needs = ["alpha>=1", "beta"]
setup(
    name=about["name"], install_requires=needs, tests_require="gamma",
    extras_require={"test": ("delta",), "docs": ["not-this"]}, version=open("VERSION").read(),
)
"""


def test_what_setup_py_says_in_plain_values_counts_and_what_it_computes_is_told() -> None:
    wanted = found_in({"setup.py": SETUP_PY})
    assert (wanted.requirements, wanted.left_out) == (["alpha>=1", "beta", "delta", "gamma"], [])
    computed = found_in({"setup.py": "setup(install_requires=read('x'))"})
    assert (computed.requirements, len(computed.left_out)) == ([], 1)
    poetry = "[tool.poetry]\nname = 'x'\n[tool.poetry.dependencies]\nomega = '*'\n"
    assert found_in({"setup.py": SETUP_PY, "pyproject.toml": poetry}).requirements == ["omega"]


@pytest.mark.parametrize("said", ["-" * 40_000 + "1", "[" * 190 + "]" * 190, "a" + ".b" * 20_000, "\0", "{[]: 1}"])
def test_a_setup_py_that_is_made_to_cost_says_nothing(said: str) -> None:
    assert computed(2, lambda: found_in({"setup.py": f"setup(install_requires={said})"})).requirements == []


@pytest.mark.parametrize("path", ["tests/requirements.txt", "test.requirements.txt", "dev.requirements.txt"])
def test_requirements_that_lie_beside_the_tests_are_needed(path: str) -> None:
    assert found_in({path: "alpha\n", "docs/requirements.txt": "beta\n"}).requirements == ["alpha"]
