"""Everything that may happen to a working tree between two looks at it, at random."""

from __future__ import annotations

import subprocess
from pathlib import Path
from random import Random

NAMES = ("a.txt", "b.py", "c.log", "sub/d.txt", "sub/e.log", "sub/deep/f.txt", "new/g.txt", "new/in/h.txt", "ig/i.txt")
RULES = (
    *("*.log\n", "ig/\n", "!c.log\n", "new\n", "sub/d*\n", "*.txt text eol=crlf\n", "\n"),
    *("*.py text\n", "sub/*.txt eol=lf\n", "A.TXT text=auto\n", "*.log -text\n", "[a-d].* text\n", '"b.py" text\n'),
)
ENDS = ("\n", "\n", "\r\n")
GIT = (
    "add -A",
    "add -N .",
    "reset -q",
    "reset -q --hard",
    "stash -q",
    "rm -q --cached --ignore-unmatch a.txt sub/d.txt",
    "mv -k b.py moved.py",
    "commit -q -a --allow-empty -m More",
    "checkout -q -f HEAD~1",
    "checkout -q -f main",
    "update-index --assume-unchanged a.txt",
    "update-index --refresh -q",
    "config core.fileMode true",
    "config core.fileMode false",
)


class Edits:
    """Of one tree, which is a repository's; one that finds nothing to do does nothing."""

    def __init__(self, root: Path, chance: Random) -> None:
        self._root = root
        self._chance = chance
        often = [self.write, self.write, self.write, self.remove, self.rename, self.mode, self.clean]
        self._all = [*often, *often, self.folder, self.link, self.rules, self.nested, self.index, self.index]

    def one(self) -> None:
        self._chance.choice(self._all)()

    def write(self) -> None:
        place = self._path()
        if place.parent.is_dir() or self._chance.random() < 0.3:
            place.parent.mkdir(parents=True, exist_ok=True)
            if not place.is_dir() and not place.is_symlink():
                line = str(self._chance.randrange(3)) + self._chance.choice(ENDS)
                place.write_bytes(line.encode() * self._chance.randrange(4))

    def clean(self) -> None:
        """What it was at first."""
        place = self._path()
        if place.parent.is_dir() and not place.is_dir() and not place.is_symlink():
            place.write_text("0\n")

    def remove(self) -> None:
        place = self._path()
        if place.is_file() or place.is_symlink():
            place.unlink()

    def rename(self) -> None:
        one, other = self._path(), self._path()
        if one.is_file() and other.parent.is_dir() and not other.is_dir():
            one.rename(other)

    def folder(self) -> None:
        place, other = self._path().parent, self._root / self._chance.choice(["sub", "moved", "new", "ig", "e"])
        if place != self._root and place.is_dir() and not other.exists() and place not in other.parents:
            place.rename(other)
        else:
            other.mkdir(exist_ok=True)

    def mode(self) -> None:
        place = self._path()
        if place.is_file() and not place.is_symlink():
            place.chmod(self._chance.choice([0o644, 0o755]))

    def link(self) -> None:
        place = self._path()
        if place.parent.is_dir() and not place.is_dir():
            place.unlink(missing_ok=True)
            place.symlink_to(self._chance.choice(["a.txt", "nowhere", "sub"]))

    def rules(self) -> None:
        name = self._chance.choice([".gitignore", "sub/.gitignore", ".gitattributes", ".git/info/exclude"])
        if (self._root / name).parent.is_dir():
            (self._root / name).write_text("".join(self._chance.sample(RULES, 2)))

    def nested(self) -> None:
        """A repository in the tree, or one that is none any more."""
        place = self._root / self._chance.choice(["nested", "sub/nested", "new"])
        if place.parent.is_dir() and self._chance.random() < 0.5:
            self._git("init", "-q", str(place))
        elif (place / ".git/HEAD").is_file():
            (place / ".git/HEAD").rename(place / ".git/OLD")

    def index(self) -> None:
        self._git("-c", "user.name=A", "-c", "user.email=a@example.com", *self._chance.choice(GIT).split())

    def _path(self) -> Path:
        return self._root / self._chance.choice(NAMES)

    def _git(self, *arguments: str) -> None:
        subprocess.run(["git", *arguments], cwd=self._root, capture_output=True, check=False)
