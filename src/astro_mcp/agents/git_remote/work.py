"""What the tools of git remotes do."""

from __future__ import annotations

from collections.abc import Iterable

from astro_mcp.agents.git_remote.models import (
    LISTED,
    Aside,
    Cloned,
    CloneInput,
    Fetched,
    FetchInput,
    MovedRef,
    Pushed,
    PushInput,
)
from astro_mcp.config import GitSettings
from astro_mcp.core.agent import Health
from astro_mcp.core.call import Context
from astro_mcp.core.flow import Leaving, Sort, page
from astro_mcp.errors import AstroError, InvalidInput
from astro_mcp.workspace.git.child import program
from astro_mcp.workspace.git.escapes import shown
from astro_mcp.workspace.git.remote.cloning import clone
from astro_mcp.workspace.git.remote.fetching import fetch
from astro_mcp.workspace.git.remote.hosts import Hosts
from astro_mcp.workspace.git.remote.named import remote_of
from astro_mcp.workspace.git.remote.pushing import push
from astro_mcp.workspace.git.repository import Git
from astro_mcp.workspace.workspace import Workspace


class RemoteWork:
    """Over repositories whose configuration is never loaded, at hosts that the operator named."""

    def __init__(self, git: Git, workspace: Workspace, hosts: Hosts, settings: GitSettings) -> None:
        self._git = git
        self._workspace = workspace
        self._hosts = hosts
        self._settings = settings

    async def health(self) -> Health:
        try:
            facts = {"program": program(), "hosts": ", ".join(self._hosts.settings.hosts)}
            return Health(ok=True, detail="git is there, and hosts are named", facts=facts)
        except AstroError as error:
            return Health(ok=False, detail=error.message, fix=error.hint)

    async def fetch(self, args: FetchInput, ctx: Context) -> Fetched:
        async with self._git.open(ctx.session, args.repo) as repository:
            remote = remote_of(repository.layout, self._hosts, args.remote, args.url)
            ctx.let_out(page(remote.here.url))
            got = await fetch(repository, self._hosts, remote, self._settings, branch=args.branch, tags=args.tags)
        ctx.source(remote.here.url)
        return Fetched(
            url=remote.here.url,
            received_bytes=got.received,
            updated=[
                MovedRef(ref=one.ref, before=one.before, after=one.after, recovery_ref=one.recovery_ref)
                for one in got.moved[:LISTED]
            ],
            updated_count=len(got.moved),
            kept=_asides(got.stay),
            kept_count=len(got.stay),
            odd_names=got.odd,
        )

    async def push(self, args: PushInput, ctx: Context) -> Pushed:
        async with self._git.open(ctx.session, args.repo) as repository:
            remote = remote_of(repository.layout, self._hosts, args.remote, None, push=True)
            branch = args.branch or repository.refs.branch
            if not branch:
                raise InvalidInput("HEAD is on no branch", "name the branch to push")
            ctx.let_out(Leaving(Sort.PUSH, remote.here.host, (f"{branch} to {remote.here.url}",)))
            done = await push(repository, self._hosts, remote, branch, self._settings)
        return Pushed(
            url=remote.here.url,
            ref=done.ref,
            before=done.before,
            after=done.after,
            commits=done.commits,
            host_says=list(done.said),
        )

    async def clone(self, args: CloneInput, ctx: Context) -> Cloned:
        here = self._hosts.allowed(args.url)
        target = await self._workspace.quickly(lambda: self._workspace.locate(ctx.session, args.path))
        ctx.let_out(page(here.url))
        done = await clone(self._git, ctx.session, self._hosts, here, target, args.branch, self._settings)
        ctx.source(here.url)
        return Cloned(
            path=target.display,
            url=here.url,
            branch=done.branch,
            sha=done.sha,
            files=done.files,
            received_bytes=done.received,
            left_out=_asides(done.left_out.items()),
            left_out_count=len(done.left_out),
        )


def _asides(found: Iterable[tuple[str, str]]) -> list[Aside]:
    return [Aside(name=shown(name), reason=reason) for name, reason in list(found)[:LISTED]]
