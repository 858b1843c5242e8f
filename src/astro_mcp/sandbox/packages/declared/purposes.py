"""Which extras and groups are for the tests of a project, by their names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from packaging.utils import canonicalize_name

FOR_TESTS: Final = ("test", "tests", "testing")
FOR_WORK: Final = ("dev", "develop", "development")


def chosen(purposes: Mapping[str, str]) -> Iterable[str]:
    """Those whose purpose is testing; where there is none, those for development, which often bring much more."""
    tests = [key for key, name in purposes.items() if name in FOR_TESTS]
    return tests or [key for key, name in purposes.items() if name in FOR_WORK]


def chosen_names(names: Iterable[str]) -> Iterable[str]:
    """The same where each is called by its purpose."""
    return chosen({name: canonicalize_name(name) for name in names})
