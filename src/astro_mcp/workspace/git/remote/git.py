"""Git's own part of a fetch or a push: pointed at a front, which is all that it can reach."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import partial
from typing import Final

from astro_mcp.errors import ProviderFailed
from astro_mcp.observe.printable import printable
from astro_mcp.workspace.git.child import Ran
from astro_mcp.workspace.git.remote.front import Front
from astro_mcp.workspace.git.repository import Repository

NAME: Final = "there"
"""What git calls the remote."""
_CONFIG: Final = """\
[remote "{name}"]
	url = {url}
[http]
	proxy = {proxy}
	followRedirects = false
[protocol]
	version = 0
[protocol "http"]
	allow = always
[transfer]
	fsckObjects = true
	bundleURI = false
[fetch]
	fsckObjects = true
[fetch "fsck"]
	badTimezone = ignore
	missingSpaceBeforeDate = ignore
	missingSpaceBeforeEmail = ignore
	zeroPaddedFilemode = ignore
[core]
	bigFileThreshold = 16m
	protectHFS = true
	protectNTFS = true
[pack]
	threads = 1
[push]
	negotiate = false
	followTags = false
"""
"""Ignored is what old tools wrote by mistake into histories that everybody has, and what harms nobody."""


async def run(repository: Repository, front: Front, arguments: Sequence[str], stdin: bytes, seconds: float) -> Ran:
    """What git left, whatever its exit code; raises what the host's side of the front did."""

    async def work() -> Ran:
        config = repository.private.folder / "network"
        text = _CONFIG.format(name=NAME, url=front.url, proxy=front.proxy)
        await repository.blocking(partial(config.write_text, text))
        environment = {"GIT_CONFIG_GLOBAL": os.fspath(config), "GIT_ALLOW_PROTOCOL": "http"}
        return await repository.git(*arguments, stdin=stdin, environment=environment, seconds=seconds, good=range(256))

    return await front.during(work)


def refused(ran: Ran) -> ProviderFailed:
    """What git says against what it was sent."""
    lines = [line for line in ran.err.splitlines() if line.startswith(("error:", "fatal:"))]
    said = printable(lines[0] if lines else f"exit code {ran.code}", 200)
    return ProviderFailed(f"git refuses what the host sent: {said}", "a person can look into it", retryable=False)
