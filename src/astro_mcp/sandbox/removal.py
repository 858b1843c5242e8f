"""The end of a container: it went by itself, or is killed; and then it is gone."""

from __future__ import annotations

import logging
import time
from typing import Any, Final

from astro_mcp.errors import AstroError
from astro_mcp.sandbox.engine import Engine, EngineNotFound

log = logging.getLogger(__name__)

END_SECONDS: Final = 30
ENDING_SECONDS: Final = 3


def end(engine: Engine, container: str, *, ending: bool = False) -> None:
    """Kill and remove, in the caller's thread, and return when it is gone; what is gone already is fine. One that is
    `ending` by itself is killed where it does not."""

    def gone_or_removed(api: Any) -> None:
        if not (ending and _gone(api, container)):
            _remove(api, container)

    try:
        engine.call_blocking(gone_or_removed)
    except EngineNotFound:
        return
    except AstroError as error:
        log.warning("container %s was not removed: %s", container, error.message)


def _gone(api: Any, container: str) -> bool:
    """Whether it went by itself. Two removals at once are an error in the engine's log, and Docker 20.10 was seen to
    list a container as running after them."""
    import docker  # noqa: PLC0415 - loaded by the call that made the container
    import requests  # noqa: PLC0415 - the SDK's transport

    try:
        api.wait(container, timeout=ENDING_SECONDS, condition="removed")
    except docker.errors.NotFound:
        raise
    except (docker.errors.APIError, requests.exceptions.RequestException):
        return False
    return True


def _remove(api: Any, container: str) -> None:
    """The engine's own removal of an ended container may be under way. Docker refuses a second one, and is waited for;
    Podman finds the container in a state that it can't be in, until it is gone."""
    import docker  # noqa: PLC0415 - loaded by the call that made the container

    deadline = time.monotonic() + END_SECONDS
    while True:
        try:
            api.remove_container(container, force=True, v=True)
            return
        except docker.errors.NotFound:
            raise
        except docker.errors.APIError as error:
            if "in progress" in str(error.explanation):
                api.wait(container, timeout=END_SECONDS, condition="removed")
                return
            if "state improper" not in str(error.explanation) or time.monotonic() > deadline:
                raise
        time.sleep(0.05)
