"""A naive model of a run: what every step's status is, worked out from nothing but the document and what happened to
its calls, asks and gates. It counts nothing and keeps nothing; it reads the rules anew each time."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

ENDS = frozenset({"succeeded", "failed", "skipped", "cancelled"})
BEGUN = "begun"
"""Of a call, an ask or a gate: ready, running, waiting or lost."""
AT_ONCE = 16


@dataclass(frozen=True)
class Fact:
    """How a step ended by something that happened to it, and what it gave."""

    status: str
    output: Any = None


@dataclass(frozen=True)
class Told:
    """What siblings know of a step."""

    status: str
    blame: bool = False
    forgiving: bool = False
    output: Any = None

    @property
    def forgiven(self) -> bool:
        return self.forgiving and self.status == "failed"

    @property
    def bad(self) -> bool:
        return self.status in ("failed", "cancelled") and not self.forgiving


class Broken(Exception):
    """An expression leads to nothing."""


class Naive:
    """`late` are bodies whose time, or that of one around them, was over before they ended. `known` are the paths that
    exist: looked at for what was cancelled or is late alone, which opens nothing more."""

    def __init__(
        self, document: Mapping[str, Any], facts: Mapping[str, Fact], known: Collection[str], late: Collection[str] = ()
    ) -> None:
        self.document = document
        self.facts = facts
        self.known = known
        self.late = late
        self.found: dict[str, str] = {}

    def statuses(self) -> dict[str, str]:
        """Of every step by path, and of the run's body."""
        self._body("", self.document, {})
        return self.found

    def _body(self, path: str, spec: Mapping[str, Any], around: Mapping[str, Told], word: str = "steps") -> str:
        local: dict[str, Told] = {}
        for step in sorted(spec[word], key=lambda s: str(s["id"])):
            name = step["id"]
            local[name] = self._step(_under(path, name), step, local, around)
            if step.get("on_failure") and "do" not in step:
                rescue = f"{name}_on_failure"
                wanted = local[name].status in ("failed", "cancelled")
                local[rescue] = self._rescue(_under(path, rescue), step, wanted, local[name].status in ENDS, around)
        if spec.get("on_failure"):
            ended = all(told.status in ENDS for told in local.values())
            wanted = any(told.bad for told in local.values())
            local["on_failure"] = self._rescue(_under(path, "on_failure"), spec, wanted, ended, {**around, **local})
        status = "running"
        if all(told.status in ENDS for told in local.values()):
            bad = path in self.late or any(told.bad for told in local.values())
            status = "failed" if bad else "succeeded"
        if status == "succeeded" and word == "steps" and path and not self._outputs(spec, local):
            status = "failed"
        if path in self.facts:
            status = self.facts[path].status
        self.found[path] = status
        self.local = local
        return status

    def _outputs(self, spec: Mapping[str, Any], local: Mapping[str, Told]) -> bool:
        try:
            for text in spec.get("outputs", {}).values():
                _value(text, local)
        except Broken:
            return False
        return True

    def _rescue(
        self, path: str, spec: Mapping[str, Any], wanted: bool, ended: bool, around: Mapping[str, Told]
    ) -> Told:
        if not ended and path not in self.facts:
            self.found[path] = "pending"
        elif path in self.facts and not self._opened(path):
            self.found[path] = self.facts[path].status
        elif not wanted:
            self.found[path] = "skipped"
        else:
            self._body(path, {"do": spec["on_failure"]}, around, "do")
        return Told(self.found[path])

    def _step(self, path: str, spec: Mapping[str, Any], local: Mapping[str, Told], around: Mapping[str, Told]) -> Told:
        needs = [local[name] for name in spec.get("needs", ())]
        forgiving = bool(spec.get("continue-on-error"))
        inherited = any(need.blame for need in needs if not need.forgiven)
        if path in self.facts and self.facts[path].status == "cancelled" and not self._opened(path):
            status = "cancelled"
        elif any(need.status not in ENDS for need in needs):
            status = "pending"
        else:
            status = self._decided(path, spec, needs, inherited, {**around, **local})
        self.found[path] = status
        fact = self.facts.get(path)
        return Told(status, inherited or status in ("failed", "cancelled"), forgiving, fact.output if fact else None)

    def _decided(
        self, path: str, spec: Mapping[str, Any], needs: list[Told], blame: bool, seen: Mapping[str, Told]
    ) -> str:
        stopped = any(need.status != "succeeded" and not need.forgiven for need in needs)
        condition = spec.get("if")
        asks = condition in ("always()", "failure()", "success()")
        if stopped and not asks:
            return "skipped"
        try:
            known = {None: True, "false": False, "always()": True, "success()": not stopped, "failure()": blame}
            runs = known[condition] if condition in known else _value(str(condition), seen)
            return self._inside(path, spec, seen) if runs else "skipped"
        except Broken:
            return "failed"

    def _inside(self, path: str, spec: Mapping[str, Any], seen: Mapping[str, Told]) -> str:
        if "foreach" in spec:
            items = _value(spec["foreach"], seen) if isinstance(spec["foreach"], str) else spec["foreach"]
            return self._each(path, spec, len(items), seen)
        if "repeat" in spec:
            return self._again(path, spec, seen)
        return self._one(path, spec, seen)

    def _one(self, path: str, spec: Mapping[str, Any], seen: Mapping[str, Told]) -> str:
        if path in self.facts and self.facts[path].status == "cancelled" and not self._opened(path):
            status = "cancelled"
        elif "do" in spec:
            status = self._body(path, spec, seen, "do")
        elif "workflow" in spec:
            status = self._body(path, self.document["workflows"][spec["workflow"]], {})
        else:
            status = self.facts[path].status if path in self.facts else BEGUN
        self.found[path] = status
        return status

    def _each(self, path: str, spec: Mapping[str, Any], count: int, seen: Mapping[str, Told]) -> str:
        late = path in self.late
        width = spec.get("max_parallel") or AT_ONCE
        done = number = 0
        while number < count and (_under(path, str(number)) in self.known if late else number < width + done):
            done += self._one(_under(path, str(number)), spec, seen) in ENDS
            number += 1
        if done < number:
            return "running"
        return "failed" if late else "succeeded"

    def _again(self, path: str, spec: Mapping[str, Any], seen: Mapping[str, Told]) -> str:
        for number in range(spec["repeat"]["max"]):
            status = self._one(_under(path, str(number)), spec, seen)
            if path in self.late and _under(path, str(number + 1)) not in self.known:
                return "failed" if status in ENDS else "running"
            if status != "succeeded":
                return status if status in ENDS else "running"
            if _value(spec["repeat"]["until"], self.local):
                return "succeeded"
        return "failed"

    def _opened(self, path: str) -> bool:
        return any(other.startswith(f"{path}.") for other in self.known)


def _under(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _value(text: str, seen: Mapping[str, Told]) -> Any:
    """What `steps.NAME.FIELD` leads to."""
    _, name, field = text.removeprefix("${{").removesuffix("}}").strip().split(".")
    told = seen[name]
    if told.status != "succeeded" or not isinstance(told.output, Mapping) or field not in told.output:
        raise Broken
    return told.output[field]
