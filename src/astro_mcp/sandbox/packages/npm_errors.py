"""npm's own words, cleaned, as the errors that they mean."""

from __future__ import annotations

import re
from typing import Final

from astro_mcp.errors import AstroError, InvalidInput, ProviderFailed, TooLarge
from astro_mcp.observe.printable import printable
from astro_mcp.sandbox.packages.npm_lock import HINT

ADDRESS: Final = "astro-mcp: a package names an address"
REFUSED: Final = "astro-mcp: npm starts no process"
OTHER: Final = re.compile(r"astro-mcp: other bytes came for (\S{1,300})")
SAID: Final = re.compile(r"^npm (?:error|ERR!) ?(404|notarget|notsup|network)?\s*")
NOISE: Final = re.compile(
    r"^(code |errno |syscall |A complete log|Log files were|Note that you|tarball, fol|In most cases|a package ver|$)"
)
CODE: Final = re.compile(r"^npm (?:error|ERR!) code (\S+)$", re.MULTILINE)
NEWEST: Final = "look the name and its versions up; a name alone is its newest version"
ANEW: Final = "nothing of it ran; lock the project anew where that is right"


def failure(said: str, *, locked: bool) -> AstroError:
    """The error of npm, which said `said`; `locked`: it fetched what a project's lock pins."""
    lines = [printable(SAID.sub("", line).strip()) for line in said.splitlines() if SAID.match(line)]
    message = " · ".join(line for line in lines if not NOISE.match(line))[:600] or printable(said.strip())[-300:]
    found = CODE.search(said)
    code = found[1] if found else ""
    if other := OTHER.search(said):
        return other_bytes(printable(other[1]), locked=locked)
    if ADDRESS in said:
        return InvalidInput("a package needs another by its address", HINT)
    if REFUSED in said:
        return InvalidInput("a package would have to be opened or built on this machine, which is never done")
    if code in ("E404", "ETARGET", "ENOVERSIONS", "EUNSUPPORTEDPROTOCOL", "EINVALIDPACKAGENAME", "EINVALIDTAGNAME"):
        return InvalidInput(message, "the lock pins what the registry has not" if locked else NEWEST)
    if code in ("ERESOLVE", "EBADPLATFORM"):
        return InvalidInput(message, "loosen one of the versions, or leave the package out")
    if code == "EFBIG":
        return TooLarge("a package is larger than any that is installed", "leave it out")
    if code in ("E401", "E403", "ENEEDAUTH"):
        return ProviderFailed(message, "the registry does not let this machine's npm in", retryable=False)
    return ProviderFailed(message, "npm could not fetch the packages from its registry", retryable=True)


def other_bytes(package: str, *, locked: bool) -> InvalidInput | ProviderFailed:
    """The registry gave something else than the hash of `package` says, which is a project's where it is `locked`."""
    if locked:
        return InvalidInput(f"{package} is not what is pinned: the registry has other bytes of that version", ANEW)
    return ProviderFailed(f"what the registry gave for {package} is not what its hash says", retryable=True)
