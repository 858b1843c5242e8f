"""The refs that a host says it has (gitprotocol-pack(5), "Reference Discovery"), read and written again.

Git gets none of the host's own bytes of it: what it sees is written here, of names that can be refs and abilities that
are known.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from astro_mcp.errors import LimitHit, ProviderFailed, Unsupported
from astro_mcp.observe.printable import printable
from astro_mcp.workspace.git.refs import SHA, valid_ref
from astro_mcp.workspace.git.remote.hosts import Service, Talk
from astro_mcp.workspace.git.repository import Repository

MOST: Final = 200_000
"""Refs of one repository."""
_ABLE: Final = {
    Service.UPLOAD: frozenset(
        {"multi_ack", "multi_ack_detailed", "no-done", "thin-pack", "side-band", "side-band-64k", "ofs-delta"}
        | {"shallow", "no-progress", "allow-tip-sha1-in-want", "allow-reachable-sha1-in-want"}
    ),
    Service.RECEIVE: frozenset({"report-status", "report-status-v2", "side-band-64k", "quiet", "ofs-delta"}),
}
"""What git may make use of: no partial clones, no deletions, nothing that leads to another place."""
_ZERO: Final = "0" * 40
_NO_REFS: Final = ("HEAD", ".have")


@dataclass(frozen=True, slots=True)
class Advertised:
    """`refs` by name, without HEAD; `head` is the branch that HEAD is on, or ""; `have` are shas that have no name;
    `odd` counts names that can't be a ref's."""

    refs: dict[str, str] = field(default_factory=dict)
    head: str = ""
    have: tuple[str, ...] = ()
    able: tuple[str, ...] = ()
    odd: int = 0


async def advertised(repository: Repository, talk: Talk, service: Service) -> Advertised:
    """What the host says; raises what `Talk.advertisement` and `parse` do."""
    return await repository.blocking(partial(parse, await talk.advertisement(service), service))


def parse(data: bytes, service: Service) -> Advertised:
    """Blocks. Raises `ProviderFailed` for what is no advertisement, `Unsupported` for other hashes than sha1 and for a
    repository whose history is cut off, `LimitHit`."""
    lines = list(_lines(data))
    if lines[:2] != [f"# service={service}".encode(), None]:
        raise _strange()
    given = [line for line in lines[2:] if line is not None]
    able = tuple(given[0].partition(b"\0")[2].decode("ascii", "replace").split()) if given else ()
    if any(one.startswith("object-format=") and one != "object-format=sha1" for one in able):
        raise Unsupported("repositories of sha256 objects are not supported")
    rows = [_row(line.partition(b"\0")[0].decode("utf-8", "surrogateescape")) for line in given]
    refs = {name: sha for name, sha in rows if _is_ref(name)}
    have = tuple(sha for name, sha in rows if name == ".have")
    odd = sum(not (name in refs or name in _NO_REFS or name.endswith("^{}")) for name, _ in rows)
    head = _head(able, refs, dict(rows).get("HEAD", ""))
    return Advertised(refs, head, have, tuple(one for one in able if one in _ABLE[service]), odd)


def _row(text: str) -> tuple[str, str]:
    """A ref's name and sha; raises what `parse` does."""
    sha, _, name = text.partition(" ")
    if sha == "ERR":
        raise ProviderFailed(f"the host says: {printable(name, 300)}", retryable=False)
    if sha == "shallow":
        raise Unsupported("the host's own copy of this repository is cut off")
    if not SHA.fullmatch(sha):
        raise _strange()
    return name, sha


def _head(able: Sequence[str], refs: Mapping[str, str], sha: str) -> str:
    """The branch that the host's HEAD is on; hosts that don't say so have it at that branch's commit."""
    said = next((one.removeprefix("symref=HEAD:") for one in able if one.startswith("symref=HEAD:")), "")
    at_head = [name for name in (said, *refs) if name.startswith("refs/heads/") and refs.get(name) == sha]
    return at_head[0] if at_head else ""


def encode(told: Advertised, service: Service, names: Sequence[str]) -> bytes:
    """An advertisement of `names` alone."""
    able = " ".join([*told.able, "object-format=sha1"]).encode()
    rows = [f"{told.refs[name]} {name}".encode() for name in names] + [f"{sha} .have".encode() for sha in told.have]
    rows = rows or [f"{_ZERO} capabilities^{{}}".encode()]
    rows[0] += b"\0" + able
    head = [_packet(f"# service={service}\n".encode()), b"0000"]
    return b"".join([*head, *(_packet(row + b"\n") for row in rows), b"0000"])


def _is_ref(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return name.startswith("refs/") and valid_ref(name)


def _lines(data: bytes) -> Iterator[bytes | None]:
    """Packets without their line feeds; None for a flush. Raises `ProviderFailed` and `LimitHit`."""
    at = 0
    count = 0
    while at < len(data):
        if (count := count + 1) > MOST + 3:
            raise LimitHit(f"the host lists more than {MOST:,} refs")
        head = data[at : at + 4]
        if len(head) < 4 or not all(byte in b"0123456789abcdefABCDEF" for byte in head):
            raise _strange()
        size = int(head, 16)
        if size in (1, 2, 3) or at + size > len(data):
            raise _strange()
        yield data[at + 4 : at + size].removesuffix(b"\n") if size else None
        at += size or 4


def _packet(row: bytes) -> bytes:
    return b"%04x" % (len(row) + 4) + row


def _strange() -> ProviderFailed:
    return ProviderFailed("what the host says is not git's protocol", "check the address", retryable=False)
