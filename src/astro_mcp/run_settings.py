"""Settings of runs: who keeps and advances them, which model answers their asks, which begin by the clock."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from astro_mcp.section import Section


class TemporalSettings(Section):
    """The Temporal server that keeps runs, and what its workers share. See docs/temporal.md."""

    address: str = Field(
        "127.0.0.1:7233", pattern=r"^[^\s/:]+:[0-9]{1,5}$", description="Host and port of its front end."
    )
    namespace: str = Field("default", min_length=1, description="The namespace that the runs are in.")
    task_queue: str = Field(
        "astro-mcp",
        pattern=r"^[a-z0-9-]{1,40}$",
        description="What the task queues, one an agent, and the ids of runs begin with.",
    )
    claims: Path | None = Field(
        None,
        description="Folder of payloads over 256 KB, which every worker must see; none: `claims` in the data folder.",
    )
    worker: bool = Field(True, description="Whether this process carries out steps too, or starts and watches alone.")
    heartbeat_seconds: float = Field(
        1.2, ge=1, le=60, description="A worker that is not heard of for so long, amid a step, counts as dead."
    )
    lost_seconds: float = Field(
        60,
        ge=1,
        le=3600,
        description="The same amid a step that may not run again, which is then lost, and waits for somebody's word: "
        "longer than a restart of the server takes, so that what ended meanwhile can still be told.",
    )
    history_events: int = Field(
        2_000, ge=50, le=10_000, description="Events of Temporal after which a run goes on as a new one of the same id."
    )
    plaintext: bool = Field(False, description="Whether a server on another machine may be spoken to without TLS.")
    server_ca: Path | None = Field(None, description="PEM file of the authority that vouches for the server.")
    client_cert: Path | None = Field(None, description="PEM file of the certificate that this process shows (mTLS).")
    client_key: Path | None = Field(None, description="PEM file of that certificate's key.")
    api_key: str = Field("", repr=False, description="API key, where the server takes one.")

    @property
    def own_folders(self) -> tuple[Path, ...]:
        """What belongs to the server itself, beside the data folder."""
        return () if self.claims is None else (self.claims,)

    @model_validator(mode="after")
    def _certificate_and_key(self) -> TemporalSettings:
        if (self.client_cert is None) != (self.client_key is None):
            raise ValueError("client_cert and client_key go together")
        return self


class WorkflowSettings(Section):
    """How runs are carried out."""

    driver: Literal["sqlite", "temporal"] = Field(
        "sqlite",
        description="Who keeps and advances runs: this daemon, in its data folder, or a Temporal server with any "
        "number of workers (`[workflow.temporal]`; needs `astro-mcp[temporal]`).",
    )
    parallel: int = Field(8, ge=1, le=256, description="Steps at once in all.")
    parallel_per_tenant: int = Field(8, ge=1, le=256, description="Steps at once of one tenant's runs.")
    parallel_per_run: int = Field(4, ge=1, le=64, description="Steps at once of one run.")
    queue: int = Field(200, ge=1, description="Runs that may wait; past it a host is told `busy`.")
    keep_days: int = Field(
        90, ge=1, le=36_500, description="Days after its end that a run, its steps and its history stay."
    )
    synchronous: str = Field(
        "FULL",
        pattern="^(FULL|NORMAL)$",
        description="SQLite's `synchronous`: FULL survives a power cut, NORMAL a crash of the process.",
    )
    temporal: TemporalSettings = Field(TemporalSettings(), description="Where that server is.")


class ModelSettings(Section):
    """A model that answers the asks of runs, at any endpoint that speaks OpenAI's chat completions. What an ask shows
    leaves this machine for it; gates stay a person's."""

    base_url: str = Field("", description="Its address with `/v1`, for example; empty: no model answers.")
    name: str = Field("", description="The model's name there.")
    key: str = Field("", repr=False, description="The endpoint's key, where it takes one.")
    allow_private: bool = Field(
        False, description="Whether base_url may be an address of this machine or its networks, and plain http there."
    )
    answers: Literal["scheduled", "every"] = Field(
        "scheduled", description="Whose asks: those of runs by the clock, or of every run."
    )
    timeout_seconds: float = Field(120, gt=0, le=600, description="The longest that one answer may take.")
    max_tokens: int = Field(4096, ge=1, le=1_000_000, description="Tokens of one answer.")

    @model_validator(mode="after")
    def _named(self) -> Self:
        if self.base_url and not self.name:
            raise ValueError("a base_url without the name of a model")
        return self


class ScheduleSettings(Section):
    """Runs that begin by the clock: `[schedules.NAME]`. While an earlier run of a schedule has not ended a time is left
    out. The daemon does not end while there are some."""

    cron: str = Field(description="When: minute, hour, day of the month, month, day of the week, as cron has them.")
    zone: str = Field("UTC", description="The time zone of `cron`, by its IANA name.")
    template: str = Field(
        min_length=1,
        description="The workflow template that is run; one with asks needs `[model]`, and network in `allow`.",
    )
    root: Path = Field(description="The workspace root that its steps see; a host with that root alone sees the runs.")
    inputs: dict[str, Any] = Field(default_factory=dict, description="The template's inputs.")
    allow: tuple[Literal["read", "write", "destroy", "execute", "network"], ...] = Field(
        ("read",), description="What its steps may do."
    )
    priority: Literal["low", "normal", "high"] = Field("low", description="Its share of the workers.")
