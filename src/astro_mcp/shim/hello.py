"""What the shim tells the daemon before the protocol's first byte, and how it hears the answer."""

from __future__ import annotations

import json
import os
import socket
import sys
from collections.abc import Mapping, Sequence
from typing import Any, Final

from astro_mcp.shim.place import VERSION, ShimError

PREFIX: Final = "ASTRO_MCP_"
REPLY_MAX: Final = 64 * 1024
NETWORK: Final = frozenset(
    {
        "SSL_CERT_FILE",
        "SSL_CERT_DIR",
        "REQUESTS_CA_BUNDLE",
        "CURL_CA_BUNDLE",
        "NODE_EXTRA_CA_CERTS",
        "NPM_TOKEN",
        "NODE_AUTH_TOKEN",
        "HTTP_PROXY",
        "HTTPS_PROXY",
        "ALL_PROXY",
        "NO_PROXY",
        "http_proxy",
        "https_proxy",
        "all_proxy",
        "no_proxy",
    }
)
NETWORK_PREFIXES: Final = ("PIP_", "NPM_CONFIG_", "npm_config_")
"""The machine's own settings, as a daemon takes them over from the host that starts it."""


def hello(arguments: Sequence[str], environment: Mapping[str, str]) -> dict[str, Any]:
    """The hello of `arguments` (`--root DIR`, `--toolsets a,b`, `--read-only`, `--profile X`).

    Raises `ShimError` with status 2 for anything else.
    """
    roots: list[str] = []
    body: dict[str, Any] = {"toolsets": [], "read_only": False, "profile": ""}
    waiting = list(arguments)
    while waiting:
        option, _, value = waiting.pop(0).partition("=")
        if option == "--read-only" and not value:
            body["read_only"] = True
            continue
        if option not in ("--root", "--toolsets", "--profile"):
            raise ShimError(f"unknown option {option!r}; see astro-mcp --help", 2)
        value = value or (waiting.pop(0) if waiting else "")
        if not value:
            raise ShimError(f"{option} needs a value", 2)
        if option == "--root":
            roots.append(os.path.abspath(os.path.expanduser(value)))
        elif option == "--toolsets":
            body["toolsets"] = [name.strip() for name in value.split(",") if name.strip()]
        else:
            body["profile"] = value
    return {
        "version": VERSION,
        "prefix": sys.prefix,
        "pid": os.getpid(),
        "cwd": _cwd(),
        "roots": roots,
        **body,
        "environment": digests(environment),
        "network": network(environment),
    }


def digests(environment: Mapping[str, str]) -> dict[str, str]:
    """Each `ASTRO_MCP_*` setting by name and a digest of its value: enough to tell a difference, and no secret."""
    return _digested(environment, [name for name in environment if name.startswith(PREFIX) and name != PREFIX + "HOME"])


def network(environment: Mapping[str, str]) -> dict[str, str]:
    """The same of what says how this machine reaches others, and where packages come from."""
    prefixes = NETWORK_PREFIXES
    return _digested(environment, [name for name in environment if name in NETWORK or name.startswith(prefixes)])


def _digested(environment: Mapping[str, str], names: Sequence[str]) -> dict[str, str]:
    if not names:
        return {}
    from hashlib import sha256  # noqa: PLC0415 - 4 ms that few hosts need

    return {name: sha256(os.fsencode(environment[name])).hexdigest()[:16] for name in sorted(names)}


def greet(link: socket.socket, body: Mapping[str, Any], seconds: float) -> dict[str, Any] | None:
    """Send `body` as one line and read the answer's; None where the daemon hung up first (it was about to end)."""
    link.settimeout(seconds)
    answer = b""
    try:
        link.sendall(json.dumps(body).encode() + b"\n")
        while not answer.endswith(b"\n") and len(answer) < REPLY_MAX:
            chunk = link.recv(REPLY_MAX)
            if not chunk:
                return None
            answer += chunk
    except TimeoutError:
        raise ShimError(f"the daemon did not answer within {seconds:g} s") from None
    except OSError:
        return None
    finally:
        link.settimeout(None)
    try:
        reply = json.loads(answer)
    except ValueError:
        raise ShimError("what listens on the daemon's socket is no daemon") from None
    if error := reply.get("error"):
        hint = f" ({error['hint']})" if error.get("hint") else ""
        raise ShimError(f"{error.get('message')}{hint}", int(error.get("exit", 3)))
    return dict(reply)


def _cwd() -> str:
    try:
        return os.getcwd()
    except OSError:
        return ""  # the folder is gone: no root then
