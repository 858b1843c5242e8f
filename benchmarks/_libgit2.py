"""A child in an environment of its own: `_libgit2.py REPOSITORY` answers questions of standard input, one a line, with
the seconds that libgit2 takes in this process, without a tool, a guard or a text around it. What is asked for is what
our git tools tell: of a log also the sizes of changes and the length of the history.
"""

from __future__ import annotations

import json
import sys
import time
from itertools import islice

import pygit2


def status(repository: pygit2.Repository) -> int:
    return len(repository.status())


def log(repository: pygit2.Repository, count: str) -> int:
    sizes = [
        _changed(commit).stats.insertions for commit in islice(repository.walk(repository.head.target), int(count))
    ]
    return len(sizes) + sum(1 for _ in repository.walk(repository.head.target))


def diff(repository: pygit2.Repository, old: str, new: str) -> int:
    first, second = (repository.revparse_single(name).peel(pygit2.Tree) for name in (old, new))
    found = first.diff_to_tree(second)
    found.find_similar()
    return len(found.patch or "")


def show(repository: pygit2.Repository, name: str) -> int:
    commit = repository.revparse_single(name).peel(pygit2.Commit)
    return len(commit.message) + len(_changed(commit).patch or "")


def blame(repository: pygit2.Repository, path: str, first: str, last: str) -> int:
    return len(list(repository.blame(path, min_line=int(first), max_line=int(last))))


def _changed(commit: pygit2.Commit) -> pygit2.Diff:
    """To its first parent, renames among it."""
    found = commit.parents[0].tree.diff_to_tree(commit.tree) if commit.parents else commit.tree.diff_to_tree(swap=True)
    found.find_similar()
    return found


def main(folder: str) -> None:
    asked = {each.__name__: each for each in (status, log, diff, show, blame)}
    repository = pygit2.Repository(folder)
    for line in sys.stdin:
        name, *given = json.loads(line)
        began = time.perf_counter()
        asked[name](repository, *given)
        print(time.perf_counter() - began, flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
