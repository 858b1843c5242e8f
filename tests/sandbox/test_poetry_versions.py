"""Poetry's version constraints mean what its documentation says that they mean."""

from __future__ import annotations

import pytest
from packaging.markers import Marker
from packaging.specifiers import SpecifierSet
from tests.sandbox.locks import PYTHON

from astro_mcp.sandbox.packages.declared.poetry_versions import alternatives, python_marker


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("^1.2.3", ">=1.2.3,<2"),
        ("^1.2", ">=1.2,<2"),
        ("^1", ">=1,<2"),
        ("^0.2.3", ">=0.2.3,<0.3"),
        ("^0.0.3", ">=0.0.3,<0.0.4"),
        ("^0.0", ">=0.0,<0.1"),
        ("^0", ">=0,<1"),
        ("^0.0.0", ">=0.0.0,<0.0.1"),
        ("^1!2.3", ">=1!2.3,<1!3"),
        ("^1.0-beta.2", ">=1.0b2,<2"),
        ("~1.2.3", ">=1.2.3,<1.3"),
        ("~1.2", ">=1.2,<1.3"),
        ("~1", ">=1,<2"),
        ("~=1.2.3", "~=1.2.3"),
        ("*", ""),
        ("1.*", "==1.*"),
        ("1.2.*", "==1.2.*"),
        ("1.x", "==1.*"),
        ("!=8.1.*", "!=8.1.*"),
        ("1.2.3", "==1.2.3"),
        ("=1.2.3", "==1.2.3"),
        ("v1.2", "==1.2"),
        ("== 2.3.1+cpu", "==2.3.1+cpu"),
        (">= 1.2, < 1.5", ">=1.2,<1.5"),
        (">=1.2 <1.5", ">=1.2,<1.5"),
        (">=1.2,<1.5,", ">=1.2,<1.5"),
        ("<>1.5", "!=1.5"),
        ("(>=1.2,!=1.4)", ">=1.2,!=1.4"),
    ],
)
def test_a_constraint_is_said_in_the_words_of_pep_440(text: str, meant: str) -> None:
    assert alternatives(text) == (SpecifierSet(meant),)


def test_alternatives_are_kept_apart() -> None:
    assert alternatives("<1.25 || >1.25,<2 | ^3") == (
        SpecifierSet("<1.25"),
        SpecifierSet(">1.25,<2"),
        SpecifierSet(">=3,<4"),
    )


@pytest.mark.parametrize(
    "text", ["", "||", "latest", ">=1.2, latest", "^", ">=1.*", "^1.*", "1.2;x", "1.2^3", "1.0@x", "~=1", "1" * 300]
)
def test_what_is_no_constraint_is_refused(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - of many kinds, all of them such
        alternatives(text)


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("^3.9", True),
        ("~3.13", True),
        ("~3.12", False),
        (">=3.8,<4.0", True),
        ("<=3.13", True),
        (">3.13", False),
        ("<=3.13.4", False),
        ("3.13.*", True),
        ("3.13", True),
        ("!=3.13.*", False),
        ("~2.7 || ^3.6", True),
        ("~2.7 || ~3.6", False),
        ("*", True),
        ("~2.7 || *", True),
    ],
)
def test_pythons_become_a_marker_where_two_numbers_mean_the_whole_minor_version(text: str, holds: bool) -> None:
    marker = python_marker(text)
    assert (not marker or Marker(marker).evaluate(PYTHON)) is holds
