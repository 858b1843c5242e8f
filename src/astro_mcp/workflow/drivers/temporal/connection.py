"""The way to the server, and what of it can fail as errors of ours."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import anyio
import anyio.to_thread
from temporalio.client import Client, WorkflowQueryFailedError, WorkflowUpdateFailedError
from temporalio.converter import DataConverter
from temporalio.service import RetryConfig, RPCError, RPCStatusCode, TLSConfig

from astro_mcp.errors import Busy, Internal, InvalidInput, NotFound, Unavailable
from astro_mcp.run_settings import TemporalSettings
from astro_mcp.workflow.drivers.temporal.claims import Claims

SECONDS: Final = 5.0
"""To the server, and for one question that it answers by itself."""
PATIENCE: Final = 20.0
"""For a question that a worker answers."""
PATIENT: Final = RetryConfig(max_interval_millis=1_000, max_elapsed_time_millis=3_600_000, max_retries=10_000)
"""Of a worker: what ended while the server is away is told when it is back."""
HINT: Final = "see workflow.temporal in config.toml, and docs/temporal.md; astro-mcp doctor asks the server"


async def connect(settings: TemporalSettings, claims: Claims, retry: RetryConfig | None = None) -> Client:
    """A client whose large payloads are `claims`, and which asks again as `retry` has it. Raises `Unavailable` where
    the server or its namespace does not answer, and `InvalidInput` for settings that it can't be asked with."""
    secured = await anyio.to_thread.run_sync(tls, settings)
    converter = DataConverter(payload_codec=claims)
    with anyio.move_on_after(SECONDS), told():
        client = await Client.connect(
            settings.address,
            namespace=settings.namespace,
            api_key=settings.api_key or None,
            data_converter=converter,
            tls=secured,
            retry_config=retry,
        )
        await client.count_workflows("ExecutionStatus = 'Running'")
        return client
    raise Unavailable(f"the Temporal server at {settings.address} does not answer within {SECONDS:g} s", HINT)


def tls(settings: TemporalSettings) -> TLSConfig | bool:
    """How the server is spoken to: without TLS where it is on this machine, or the operator says so. Raises
    `InvalidInput` for files that can't be read. Blocks."""
    given = (settings.server_ca, settings.client_cert, settings.client_key)
    if not any(given) and not settings.api_key and (settings.plaintext or _here(settings.address)):
        return False
    if settings.plaintext:
        raise InvalidInput("workflow.temporal.plaintext contradicts the keys and certificates beside it", HINT)
    try:
        ca, cert, key = (None if path is None else path.read_bytes() for path in given)
    except OSError as error:
        raise InvalidInput(f"workflow.temporal: {error}", HINT) from None
    return TLSConfig(server_root_ca_cert=ca, client_cert=cert, client_private_key=key)


def _here(address: str) -> bool:
    host = address.rpartition(":")[0]
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


@contextmanager
def told() -> Iterator[None]:
    """What the server's client raises, as errors of ours."""
    try:
        yield
    except RPCError as error:
        raise _known(error) from error
    except (WorkflowQueryFailedError, WorkflowUpdateFailedError) as error:
        raise Internal(hint="the worker's log says why") from error
    except (RuntimeError, OSError) as error:
        raise Unavailable(f"the Temporal server does not answer: {str(error)[:200]}", HINT) from error


def _known(error: RPCError) -> Exception:
    if error.status is RPCStatusCode.NOT_FOUND and "namespace" not in error.message.lower():
        return NotFound("there is no such run")
    if error.status in (RPCStatusCode.DEADLINE_EXCEEDED, RPCStatusCode.CANCELLED, RPCStatusCode.FAILED_PRECONDITION):
        return Unavailable("no worker of the Temporal server answers for this run now", HINT)
    if error.status is RPCStatusCode.RESOURCE_EXHAUSTED:
        return Busy("the Temporal server takes no more now", retry_after_ms=1000)
    return Unavailable(f"the Temporal server does not answer as it should: {error.message[:200]}", HINT)
