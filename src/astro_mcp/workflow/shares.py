"""Whose turn it is: stride scheduling (Waldspurger and Weihl, 1995), among tenants and then among a tenant's runs.

A tenant's share of the calls does not depend on how many runs it has, and a run's on nothing but its priority. Nobody
starves: whoever was served least for its weight is first, and who comes new begins where the others are.
"""

from __future__ import annotations

from collections import Counter
from typing import Final, Protocol, TypeVar

from astro_mcp.core.authority import Scope
from astro_mcp.workflow.kernel.state import RunState

WEIGHTS: Final = {"low": 1, "normal": 4, "high": 16}


class Served(Protocol):
    """A run as far as its share goes."""

    @property
    def state(self) -> RunState: ...

    @property
    def scope(self) -> Scope: ...


R = TypeVar("R", bound=Served)


class Shares:
    """What tenants and runs were served, and how many calls of each tenant are in flight."""

    def __init__(self, per_tenant: int) -> None:
        self._per_tenant = per_tenant
        self._tenants: dict[str, float] = {}
        self._runs: dict[str, dict[str, float]] = {}
        self._in_flight: Counter[str] = Counter()

    def add(self, run: Served) -> None:
        """A run that is new here."""
        tenant = run.scope.tenant
        if tenant not in self._runs:
            self._tenants[tenant] = min((self._tenants[name] for name in self._runs), default=0.0)
            self._runs[tenant] = {}
        served = self._runs[tenant]
        served[run.state.run_id] = min(served.values(), default=0.0)

    def drop(self, run: Served) -> None:
        """A run that ended."""
        tenant = run.scope.tenant
        served = self._runs.get(tenant, {})
        served.pop(run.state.run_id, None)
        if not served:
            self._runs.pop(tenant, None)
            self._tenants.pop(tenant, None)

    def copy(self) -> Shares:
        """As things are now, to be tried out in another thread."""
        other = Shares(self._per_tenant)
        other._tenants = dict(self._tenants)
        other._runs = {tenant: dict(runs) for tenant, runs in self._runs.items()}
        other._in_flight = Counter(self._in_flight)
        return other

    def turn(self, runs: dict[str, R]) -> R:
        """Whichever of `runs` (by id) was served least for its weight."""

        def served(run: R) -> tuple[float, float]:
            tenant = run.scope.tenant
            return self._tenants.get(tenant, 0.0), self._runs.get(tenant, {}).get(run.state.run_id, 0.0)

        return min(runs.values(), key=served)

    def room(self, tenant: str) -> int:
        """How many more calls the tenant may have in flight."""
        return self._per_tenant - self._in_flight[tenant]

    def began(self, run: Served) -> None:
        """One call of the run is in flight."""
        tenant, run_id = run.scope.tenant, run.state.run_id
        self._in_flight[tenant] += 1
        if run_id in self._runs.get(tenant, {}):
            self._tenants[tenant] += 1
            self._runs[tenant][run_id] += 1 / WEIGHTS[run.state.priority]

    def ended(self, run: Served) -> None:
        """One is not any more."""
        tenant = run.scope.tenant
        self._in_flight[tenant] -= 1
        if not self._in_flight[tenant]:
            del self._in_flight[tenant]
