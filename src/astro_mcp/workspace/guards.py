"""What is withheld from readers, and what a writer does not touch. Both go by folded names (see `names`)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from fnmatch import translate as glob_to_regex
from functools import cache, lru_cache
from itertools import pairwise
from typing import Any, Final

from astro_mcp.core.authority import Label
from astro_mcp.core.bearing import bears
from astro_mcp.errors import ApprovalRequired, ProtectedPath
from astro_mcp.workspace.names import Names, fold
from astro_mcp.workspace.text import one_line

GIT: Final = Names([".git"])
OURS: Final = ".astro-mcp"
"""At the top of a root: the worktrees of runs."""


def _names(text: str) -> Names:
    return Names(text.split())


_SECRET_FOLDERS: Final = Names(
    [".ssh", ".gnupg", ".aws", ".azure", ".gcloud", ".kube", ".password-store", ".oci", ".chef"]
)
_SECRET_FILES: Final = _names(
    """.env .netrc _netrc .pgpass .my.cnf .mylogin.cnf .npmrc .pypirc .git-credentials .htpasswd .dockercfg .vault-token
    .boto .s3cfg .rclone.conf rclone.conf .terraformrc .gem-credentials .cargo-credentials credentials credentials.json
    credentials.toml credentials.yml credentials.yaml credentials.db application_default_credentials.json secrets.json
    secrets.yml secrets.yaml secrets.toml secrets.env .secrets secret.json token.json master.key wallet.dat
    known_tokens.csv login.keychain logins.json key4.db cookies.sqlite .ansible_vault_pass .vault_pass auth.json
    id_rsa id_dsa id_ecdsa id_ed25519 id_ecdsa_sk id_ed25519_sk"""
)
_SECRET_PATTERNS: Final = re.compile(
    r"\.env\..+|.+\.env"
    r"|.+\.(pem|key|p12|pfx|p8|pkcs12|jks|jceks|keystore|bks|kdbx?|ppk|ovpn|agekey|keychain|keychain-db)"
    r"|.+\.(tfstate|tfstate\.backup|tfvars|tfvars\.json)"
    r"|(client_secret|service[-_]?account|gcp[-_]?key|firebase-adminsdk).*\.json"
    r"|.*[-_.]id_(rsa|dsa|ecdsa|ed25519)|id_(rsa|dsa|ecdsa|ed25519)[-_.].*(?<!\.pub)"
)
_PUBLIC: Final = re.compile(
    r"\.env\.(example|sample|template|dist|defaults?|tpl)|(example|sample|template)\.env|.+\.pub"
)
_COPIES: Final = ("~", "#", ".bak", ".backup", ".old", ".orig", ".save", ".swp", ".swo", ".tmp")
"""How a copy of a file ends that an editor, a merge or a person left beside it."""
_GIT_SECRETS: Final = Names(["config", "config.worktree", "credentials", "FETCH_HEAD"])
_PAIRS: Final = frozenset({("gh", "hosts.yml"), (".config", "gcloud"), (".docker", "config.json"), (".config", "hub")})
_PAIRED: Final = frozenset(folder for folder, _ in _PAIRS)

_HOST_FOLDERS: Final = _names(
    """.vscode .idea .fleet .zed .cursor .claude .codex .gemini .windsurf .continue .kiro .roo .clinerules .husky
    .devcontainer .circleci .buildkite .git-hooks .githooks .opencode .trae .amazonq .mise"""
)
_HOST_FILES: Final = _names(
    """.mcp.json mcp.json CLAUDE.md CLAUDE.local.md AGENTS.md AGENTS.override.md GEMINI.md .cursorrules .windsurfrules
    .clinerules .roorules copilot-instructions.md .gitlab-ci.yml .gitlab-ci.yaml .travis.yml .drone.yml .woodpecker.yml
    azure-pipelines.yml bitbucket-pipelines.yml Jenkinsfile .pre-commit-config.yaml .pre-commit-config.yml
    .pre-commit-hooks.yaml lefthook.yml .lefthook.yml lefthook.yaml .overcommit.yml .gitmodules .gitattributes
    .gitconfig .envrc .mise.toml mise.toml .mise.local.toml mise.local.toml
    .autoenv .devcontainer.json sitecustomize.py usercustomize.py .pnpmfile.cjs
    .yarnrc .yarnrc.yml .pdbrc .gdbinit .lldbinit .exrc .vimrc .nvimrc .nvim.lua .dir-locals.el .bashrc .bash_profile
    .profile .zshrc .zshenv .aider.conf.yml opencode.json opencode.jsonc package.yaml"""
)
_HOST_PATTERNS: Final = re.compile(r".+\.(pth|code-workspace|sublime-project|iml)")
_CI_PARENTS: Final = Names([".github", ".gitea", ".forgejo"])
_CI_FOLDERS: Final = Names(["workflows", "actions"])
_HOST_PAIRS: Final = (
    (Names([".cargo"]), Names(["config", "config.toml"])),
    (Names([".config"]), Names(["mise", "mise.toml"])),
)
_CONFTEST: Final = Names(["conftest.py"])
_TEST_FOLDERS: Final = frozenset({"test", "tests", "testing"})

BY_HAND: Final = "a person must make this change by hand; there is no door here that could approve it"


class ReadGuard:
    """Withholds secrets. `readable` are globs relative to a root, set by the operator, of what may be read all the
    same."""

    def __init__(self, readable: Sequence[str] = ()) -> None:
        self._readable = tuple(re.compile(glob_to_regex(glob)) for glob in readable)

    def withholds(self, relative: str) -> bool:
        """Whether the file at `relative` (posix, below a root) is on the secrets list. Of one that is released the
        running call bears the label."""
        if not is_secret(relative):
            return False
        if any(pattern.match(relative) for pattern in self._readable):
            bears(Label.SECRET)
            return False
        return True

    def withheld(self, folder: str, names: Sequence[str]) -> set[str]:
        """Those of `names` in `folder` that are withheld. One look at all of them: in most folders none is."""
        if not _may_be_secret(folder, names):
            return set()
        head = f"{folder}/" if folder else ""
        return {name for name in names if self.withholds(head + name)}

    def check(self, relative: str, shown: str) -> None:
        """Raises `ProtectedPath`."""
        if self.withholds(relative):
            raise ProtectedPath(
                f"{one_line(shown)} is on the list of files that hold secrets; it is not read",
                "the operator may list it under secrets.readable in the server's config.toml",
            )


@lru_cache(maxsize=16_384)
def is_secret(relative: str) -> bool:
    """Whether a path is one that holds keys, tokens or passwords, by its names; a copy of such a file is one, too."""
    *folders, name = [fold(part) for part in relative.split("/")]
    if any(folder in _SECRET_FOLDERS for folder in folders):
        return True
    return _holds_secrets(folders, name) or any(_holds_secrets(folders, one) for one in _originals(name))


def _holds_secrets(folders: Sequence[str], name: str) -> bool:
    if any(folder in GIT for folder in folders) and name in _GIT_SECRETS:
        return True
    if _PUBLIC.fullmatch(name):
        return False
    if any(pair in _PAIRS for pair in pairwise([*folders, name])):
        return True
    return name in _SECRET_FILES or _SECRET_PATTERNS.fullmatch(name) is not None


def _originals(name: str) -> tuple[str, ...]:
    """What that may be a copy of: Vim puts a dot before a name, and Emacs a `#`."""
    if not name.endswith(_COPIES):
        return ()
    while end := next((one for one in _COPIES if name.endswith(one)), ""):
        name = name.removesuffix(end)
    return name, name[1:]


def _may_be_secret(folder: str, names: Sequence[str]) -> bool:
    parts = [fold(part) for part in folder.split("/")]
    if any(part in _SECRET_FOLDERS or part in GIT or part in _PAIRED for part in parts):
        return True
    return _suspects().search("\n".join(names).lower().encode()) is not None


@cache
def _suspects() -> Any:
    """Fits a text of lower-case names, a line each, where one is a secret's, or is spelled in an odd way."""
    import re2  # noqa: PLC0415 - first use

    options = re2.Options()
    options.never_capture = True
    names = "|".join(map(re.escape, _SECRET_FILES.names))
    patterns = _SECRET_PATTERNS.pattern.replace(r"(?<!\.pub)", "")  # RE2 has no look-behind
    odd = r"~|:|[. ]$|[^\x20-\x7e\n]"
    copies = "|".join(map(re.escape, _COPIES))
    return re2.compile(f"(?m)^(?:{names}|{patterns}|.+(?:{copies}))$|{odd}".encode(), options)


def check_write(relative: str, shown: str) -> None:
    """Raises `ProtectedPath` for `.git`, and `ApprovalRequired` for files that make a host run something."""
    folders = [fold(part) for part in relative.split("/")]
    if any(part in GIT for part in folders):
        raise ProtectedPath(f"{one_line(shown)} belongs to git's own folder", "use the git tools")
    if reason := _runs_on_a_host(folders):
        raise ApprovalRequired(f"{one_line(shown)} {reason}", BY_HAND)


def _runs_on_a_host(parts: Sequence[str]) -> str:
    *folders, name = parts
    if any(part in _HOST_FOLDERS for part in parts):
        return "lies in a folder whose files editors, assistants or hooks act upon"
    if any(a in _CI_PARENTS and b in _CI_FOLDERS for a, b in pairwise(parts)):
        return "is run by a build service"
    if any(a in above and b in below for a, b in pairwise(parts) for above, below in _HOST_PAIRS):
        return "is read by a tool that runs what it names"
    if name in _HOST_FILES:
        return "is a file that editors, assistants, shells, hooks or build services act upon"
    if _HOST_PATTERNS.fullmatch(name):
        return "is a file that an interpreter or an editor acts upon when it starts"
    if name in _CONFTEST and not any(folder in _TEST_FOLDERS for folder in folders):
        return "is loaded by every test run and lies outside of the tests"
    return ""
