"""Settings: defaults, the operator's `config.toml`, `ASTRO_MCP_*` of the daemon. Nothing from a workspace.

Every key is described here or in `run_settings`, and `docs/configuration.md` is made from that. Unknown or wrong keys
stop the start.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self, get_args

from pydantic import AfterValidator, Field, ValidationError, model_validator

from astro_mcp.errors import InvalidInput, Problem
from astro_mcp.nearest import nearest
from astro_mcp.run_settings import ModelSettings, ScheduleSettings, WorkflowSettings
from astro_mcp.section import Section

ENV_PREFIX: Final = "ASTRO_MCP_"
NOT_SETTINGS: Final = frozenset({"ASTRO_MCP_HOME"})
TOKEN_PREFIX: Final = "ASTRO_MCP_TOKEN_"  # noqa: S105 - what names of variables begin with
"""Of variables that hold tokens. They are no settings: settings name them."""


_HOST_AND_PORT: Final = re.compile(
    r"((?!-)[a-z0-9-]{1,63}(?<!-)\.)+([a-z]{2,63}|xn--[a-z0-9-]{1,59}(?<!-)):[1-9][0-9]{0,4}"
)


def _host_and_port(text: str) -> str:
    """A public host's exact name and a port; raises ValueError."""
    host, _, port = text.rpartition(":")
    if not _HOST_AND_PORT.fullmatch(text) or len(host) > 253 or int(port) > 65535:
        raise ValueError(
            f"{text[:100]!r} is no host and port: write the exact name in lower case, as api.example.org:443 "
            "(no wildcard, no address, other scripts as xn--…)"
        )
    return text


def _git_host(text: str) -> str:
    """A public host's exact name, with a port where that is not 443; raises ValueError."""
    if ":" in text and not text.endswith(":443"):
        return _host_and_port(text)
    if ":" in text or not _HOST_AND_PORT.fullmatch(f"{text}:443") or len(text) > 253:
        raise ValueError(
            f"{text[:100]!r} is no host: write the exact name in lower case, as github.com, with a port where that is "
            "not 443 (no wildcard, no address, other scripts as xn--…)"
        )
    return text


def _package_name(text: str) -> str:
    """A package's canonical name (PEP 503); raises ValueError."""
    plain = re.sub(r"[-_.]+", "-", text).lower()
    if text != plain or not re.fullmatch(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?", text):
        raise ValueError(f"{text[:100]!r} is no canonical name of a package, which reads like {plain[:100]}")
    return text


HostAndPort = Annotated[str, AfterValidator(_host_and_port)]
GitHost = Annotated[str, AfterValidator(_git_host)]
TokenName = Annotated[str, Field(pattern=rf"^{TOKEN_PREFIX}[A-Z0-9_]{{1,60}}$")]
PackageName = Annotated[str, AfterValidator(_package_name)]


class RootSettings(Section):
    """Which folders a host may ask for."""

    ceiling: tuple[Path, ...] = Field(
        (), description="Folders that a session's roots must lie within; empty: any that is not refused."
    )


class RunLimits(Section):
    """What a tenant's runs may use: each of them, and by `runs` all together."""

    memory_mb: int = Field(512, ge=64, le=65536, description="Memory of a run, in MiB; swap is off.")
    cpus: float = Field(1.0, gt=0, le=64, description="CPUs of a run.")
    processes: int = Field(64, ge=8, le=4096, description="Processes and threads of a run.")
    open_files: int = Field(1024, ge=64, le=65536, description="Files that a process of a run may have open.")
    workspace_mb: int = Field(256, ge=16, le=16384, description="Size of a run's workspace, in MiB.")
    timeout_seconds: int = Field(600, ge=1, le=3600, description="The longest that a run may take.")
    output_bytes: int = Field(
        1_000_000, ge=1000, le=50_000_000, description="Bytes of output kept of each stream of a run."
    )
    runs: int = Field(8, ge=1, le=8, description="Runs of one tenant at once; of all tenants it is 8.")


class SandboxSettings(RunLimits):
    """Where and within which bounds code runs. There is no setting that runs it outside of a container."""

    engine: str = Field(
        "",
        description="Address of the Docker engine; empty: the current Docker context, else the machine's own socket.",
    )
    runtime: Literal["", "runc", "runsc", "kata"] = Field(
        "", description="OCI runtime of every container; empty: the engine's default. One that it has not is refused."
    )
    warm: int = Field(3, ge=0, le=32, description="Containers that may wait for a run, at most; 0: none do.")
    warm_idle_seconds: float = Field(
        600, gt=0, le=86_400, description="With no run of their image for so long, waiting containers end."
    )
    sessions: int = Field(
        4,
        ge=0,
        le=16,
        description="Sessions of code_run that one workspace may have up; one tenant may have 12, all together 16.",
    )
    session_idle_seconds: float = Field(
        900, gt=0, le=86_400, description="A session that is not used for so long ends."
    )
    session_seconds: float = Field(14_400, gt=0, le=604_800, description="The longest that a session is kept.")
    queue_seconds: float = Field(60, gt=0, le=3600, description="How long a run waits for its turn.")
    images_mb: int = Field(
        4096,
        ge=256,
        description="Dependency images kept, in MiB in all, and 100 at most; the least recently used goes first.",
    )
    build_timeout_seconds: int = Field(900, ge=10, le=3600, description="The longest that building an image may take.")
    build_from_source: tuple[PackageName, ...] = Field(
        (),
        description="Packages, by their canonical names, that may be built from source where no wheel fits: their own "
        "code then runs in a container without network, and becomes part of images.",
    )
    egress: tuple[HostAndPort, ...] = Field(
        (),
        max_length=256,
        description='What code_run may connect to, as `["api.example.org:443"]`: exact names and ports, at public '
        "addresses. Empty: nothing. Otherwise each of its calls has the effect network; tests, linters and the making "
        "of images never connect.",
    )
    egress_mb: int = Field(
        100, ge=1, le=65_536, description="MiB that one run may send and receive through egress, together."
    )
    tenants: dict[str, RunLimits] = Field(
        default_factory=dict,
        description="`[sandbox.tenants.NAME]`: memory_mb to runs of one tenant; what is not set stands as here.",
    )

    @model_validator(mode="before")
    @classmethod
    def _begin_as_here(cls, values: Any) -> Any:
        """A tenant's table begins with what stands in `[sandbox]`."""
        if not isinstance(values, dict) or not isinstance(values.get("tenants"), dict):
            return values
        own = {name: values[name] for name in RunLimits.model_fields if name in values}
        whole = {name: own | table if isinstance(table, dict) else table for name, table in values["tenants"].items()}
        return values | {"tenants": whole}

    def of(self, tenant: str) -> RunLimits:
        """What runs of `tenant` may use."""
        return self.tenants.get(tenant) or RunLimits.model_construct(
            **{name: getattr(self, name) for name in RunLimits.model_fields}
        )


class LimitSettings(Section):
    """How much runs at once."""

    calls: int = Field(64, ge=1, description="Calls at once in all.")
    calls_per_agent: int = Field(16, ge=1, description="Calls at once by one agent.")
    calls_per_session: int = Field(32, ge=1, description="Calls at once by the sessions of one workspace.")
    sandboxes: int = Field(4, ge=1, description="Sandboxed calls at once, by each of code, tests and lint.")
    wait_seconds: float = Field(
        30, gt=0, le=600, description="How long a call waits for its place before it is told `busy`."
    )
    argument_bytes: int = Field(8_000_000, ge=1000, description="Bytes of arguments that one call may carry.")


class WebSettings(Section):
    """What may be fetched, and how."""

    timeout_seconds: float = Field(20, gt=0, le=120, description="The longest that one fetch may take.")
    page_bytes: int = Field(5_000_000, ge=10_000, description="Bytes of one page, after decompression.")
    searches_per_hour: int = Field(600, ge=1, description="Queries that one tenant sends to search providers.")
    user_agent: str = Field("astro-mcp (+local workbench)", description="How fetches name themselves.")
    robots: Literal["obey", "ignore"] = Field("obey", description="What a site's robots.txt counts for with web_fetch.")


class SearchProvider(Section):
    """One web search provider: `[search.NAME]`, where NAME is a manifest's."""

    enabled: bool = Field(True, description="Whether it is asked.")
    base_url: str = Field("", description="Its address; empty: the manifest's own.")
    key: str = Field("", repr=False, description="Its key, where it takes one.")
    allow_private: bool = Field(
        False, description="Whether base_url may be an address of this machine or its networks (a SearXNG of your own)."
    )


class AdvisorySettings(Section):
    """The database of advisories that lint_audit and pip-audit ask, which speaks OSV's API. Names and versions of
    locked packages leave this machine for it."""

    base_url: str = Field("https://api.osv.dev", description="Its address; empty: none is asked.")
    allow_private: bool = Field(
        False, description="Whether base_url may be an address of this machine or its networks, and plain http there."
    )
    timeout_seconds: float = Field(30, gt=0, le=120, description="The longest that one request may take.")


class GitRemoteSettings(Section):
    """Which hosts git_fetch, git_push and git_clone may talk to. Without hosts these tools are not there."""

    hosts: tuple[GitHost, ...] = Field(
        (),
        max_length=64,
        description='Exact names of public hosts, as `["github.com", "git.example.org:8443"]`. Https alone is spoken.',
    )
    tokens: dict[GitHost, TokenName] = Field(
        default_factory=dict,
        description=f"By host the variable of the daemon's environment, {TOKEN_PREFIX}…, that holds its token, or "
        "`user:token`. It is sent to that host and nowhere else.",
    )
    transfer_mb: int = Field(
        512, ge=1, le=16_384, description="MiB that one call may send and receive, and the files of a clone may hold."
    )
    timeout_seconds: float = Field(300, gt=0, le=900, description="The longest that one call may take.")

    @model_validator(mode="after")
    def _tokens_belong_to_hosts(self) -> Self:
        if strangers := sorted(self.tokens.keys() - set(self.hosts)):
            raise ValueError(f"git.remote.tokens names {strangers[0]}, which is not in git.remote.hosts")
        return self


class GitSettings(Section):
    """Who commits, and who signs."""

    author_name: str = Field("astro-mcp", min_length=1, description="Author and committer of commits.")
    author_email: str = Field("astro-mcp@localhost", min_length=3, description="Their address.")
    signing_program: str = Field(
        "", pattern=r"^(/.*)?$", description="Program that signs commits, by its absolute path; empty: none are signed."
    )
    signing_format: Literal["openpgp", "ssh"] = Field(
        "openpgp", description="How it is called and what it gives: as gpg, or as ssh-keygen."
    )
    signing_key: str = Field(
        "", pattern=r"^([^-].*)?$", description="The key: an id for gpg, the path of the key's file for ssh-keygen."
    )
    remote: GitRemoteSettings = Field(GitRemoteSettings(), description="Hosts of repositories.")

    @model_validator(mode="after")
    def _key_is_named(self) -> Self:
        if bool(self.signing_program) != bool(self.signing_key):
            raise ValueError("git.signing_program and git.signing_key go together")
        return self


class SecretSettings(Section):
    """What ReadGuard withholds."""

    readable: tuple[str, ...] = Field(
        (), description="Globs, relative to a root, of files on the secrets list that may be read all the same."
    )


class EmbeddingSettings(Section):
    """Who turns text into vectors. With an endpoint, what is indexed and what is sought leaves this machine for it."""

    provider: Literal["builtin", "openai", "ollama"] = Field(
        "builtin",
        description="The model in the box, or an endpoint that speaks OpenAI's `/embeddings` or Ollama's `/api/embed`.",
    )
    base_url: str = Field("", description="The endpoint's address: with `/v1`, for example; Ollama's without `/api`.")
    model: str = Field("", max_length=200, description="The model's name there.")
    key: str = Field("", repr=False, description="The endpoint's key, where it takes one.")
    allow_private: bool = Field(
        False, description="Whether base_url may be an address of this machine or its networks, and plain http there."
    )
    batch: int = Field(32, ge=1, le=512, description="Texts of one request.")
    timeout_seconds: float = Field(60, gt=0, le=600, description="The longest that one request may take.")

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if (self.provider != "builtin") != bool(self.base_url and self.model):
            raise ValueError("an endpoint has a provider, a base_url and a model; the builtin model has neither")
        return self


class ChromaSettings(Section):
    """A Chroma server that holds the vector index: vectors and the numbers of chunks, no text."""

    url: str = Field("", description="Its address, http://127.0.0.1:8000 for example; empty: the data folder holds it.")
    key: str = Field("", repr=False, description="Its bearer token, where it takes one.")
    tenant: str = Field("default_tenant", min_length=1, description="Its tenant.")
    database: str = Field("default_database", min_length=1, description="Its database.")
    allow_private: bool = Field(
        False, description="Whether url may be an address of this machine or its networks, and plain http there."
    )


class KnowledgeSettings(Section):
    """The index of notes, documents and code."""

    shared: bool = Field(
        False,
        description="Whether sessions may write to the scope `tenant`, which all principals of a tenant read.",
    )
    embedding: EmbeddingSettings = Field(EmbeddingSettings(), description="Who embeds.")
    chroma: ChromaSettings = Field(ChromaSettings(), description="Where the vector index lies.")


class DaemonSettings(Section):
    """The process that hosts share."""

    idle_seconds: float = Field(
        600, ge=1, description="With nobody connected and no run active, the daemon ends after this long."
    )


class Settings(Section):
    """All of it. What is no table stands before the first one in the file."""

    flow: Literal["bounded", "strict"] = Field(
        "bounded",
        description="Once a session holds what is private and what strangers wrote, what no search or fetch named and "
        "no person approved leaves within bounds (astro://guides/flow has them), or with `strict` not at all.",
    )
    roots: RootSettings = RootSettings()
    sandbox: SandboxSettings = SandboxSettings()
    limits: LimitSettings = LimitSettings()
    web: WebSettings = WebSettings()
    search: dict[str, SearchProvider] = Field(default_factory=dict, description="Search providers by manifest name.")
    advisories: AdvisorySettings = AdvisorySettings()
    git: GitSettings = GitSettings()
    secrets: SecretSettings = SecretSettings()
    knowledge: KnowledgeSettings = KnowledgeSettings()
    workflow: WorkflowSettings = WorkflowSettings()
    model: ModelSettings = ModelSettings()
    schedules: dict[str, ScheduleSettings] = Field(default_factory=dict, description="Runs by the clock, by name.")
    daemon: DaemonSettings = DaemonSettings()


def load(folder: Path, environment: Mapping[str, str]) -> Settings:
    """Settings of the data folder `folder`; raises `InvalidInput` with file, line and the nearest right key."""
    path = folder / "config.toml"
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    try:
        values: dict[str, Any] = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InvalidInput(f"{path}: {error}", "correct the file, or move it away") from None
    sources = dict.fromkeys(values, f"{path}")
    for name, value in environment.items():
        if name.startswith(ENV_PREFIX) and not name.startswith(TOKEN_PREFIX) and name not in NOT_SETTINGS:
            _put(values, name, value)
            sources.setdefault(name, name)
    try:
        return Settings.model_validate(values)
    except ValidationError as error:
        problems = tuple(_problem(item, path, text) for item in error.errors(include_input=False, include_url=False))
        first = problems[0]
        hint = f"did you mean {first.suggestion}?" if first.suggestion else "docs/configuration.md describes every key"
        raise InvalidInput(f"{first.path}: {first.reason}", hint, problems=problems) from None


def _put(values: dict[str, Any], name: str, value: str) -> None:
    """`ASTRO_MCP_SANDBOX__MEMORY_MB=256` is `memory_mb` in `[sandbox]`; arrays are written as TOML."""
    *tables, key = name.removeprefix(ENV_PREFIX).lower().split("__")
    for table in tables:
        inner = values.setdefault(table, {})
        if not isinstance(inner, dict):
            raise InvalidInput(f"{name}: {table} is not a table", "docs/configuration.md describes every key")
        values = inner
    values[key] = tomllib.loads(f"value = {value}")["value"] if value.startswith("[") else value


def _problem(item: Any, path: Path, text: str) -> Problem:
    location = [str(part) for part in item["loc"]]
    key = next(part for part in reversed(item["loc"]) if isinstance(part, str))  # an array's own, for one of its items
    line = next((n for n, row in enumerate(text.splitlines(), 1) if re.match(rf"\s*\[?.*\b{re.escape(key)}\b", row)), 0)
    where = f"{path}:{line}" if line else f"{ENV_PREFIX}{'__'.join(location).upper()}"
    if item["type"] != "extra_forbidden":
        return Problem(where, f"{'.'.join(location)}: {item['msg']}")
    model: Any = Settings
    for part in location[:-1]:
        field = getattr(model, "model_fields", {}).get(part)
        model = field.annotation if field else get_args(model)[-1]  # a table of tables has any names
    known = list(getattr(model, "model_fields", {}))
    return Problem(where, f"unknown key {'.'.join(location)}", nearest(key, known) or "")
