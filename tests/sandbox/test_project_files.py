"""What a project needs is read from what it has written down, and from nothing that would have to run."""

from __future__ import annotations

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


def test_an_include_that_leaves_the_project_finds_nothing() -> None:
    assert found_in({"requirements.txt": "-r ../../etc/passwd\nalpha\n"}).requirements == ["alpha"]


def test_what_only_a_build_backend_knows_is_told() -> None:
    assert "build backend" in found_in({"pyproject.toml": '[project]\ndynamic = ["dependencies"]'}).left_out[0]
    assert "setup.py" in found_in({"setup.py": "raise SystemExit"}).left_out[0]
    assert "poetry" in found_in({"pyproject.toml": "[tool.poetry.dependencies]\nalpha = '^1'"}).left_out[0]


def test_hostile_settings_give_no_requirement_and_no_exception() -> None:
    for text in (
        "project = 1",
        "[project]\ndependencies = 'alpha'\nname = ['x']",
        "[project]\ndependencies = [1, {a = 1}, '--index-url=https://example.org', '']",
        "[dependency-groups]\ntest = {a = 1}\ndev = [[['x']]]",
        "[dependency-groups]\ntest = [{include-group = 7}]",
        "tool = []\n[project.optional-dependencies]\ntest = 'alpha'",
        "not toml",
    ):
        assert found_in({"pyproject.toml": text}).requirements == []


def test_a_flood_of_requirements_is_bounded() -> None:
    wanted = found_in({"requirements.txt": "\n".join(f"package{number}" for number in range(5_000))})
    assert len(wanted.requirements) == 190
    assert len(wanted.left_out) <= 190


def test_what_is_ours_gives_way_to_the_versions_of_the_project() -> None:
    wanted = found_in({"requirements.txt": "PyTest<8\n"})
    wanted.require("pytest>=7")
    wanted.require("other>=1")
    assert wanted.requirements == ["other>=1", "PyTest<8"]
