"""How the report of an external tool reads: what a manifest says of its format."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

Word = Annotated[str, StringConstraints(min_length=1, max_length=1000)]


class Table(BaseModel):
    """One table of a manifest; frozen, and strict about its keys."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True, defer_build=True)


class JsonReport(Table):
    """A report in JSON, read with JMESPath (https://jmespath.org/specification.html)."""

    format: Literal["json"]
    lines: bool = Field(False, description="Each line is a document of its own; `items` is read from their list.")
    items: Word = Field("@", description="JMESPath to the list of findings.")
    within: str = Field(
        "",
        max_length=1000,
        description="JMESPath from one of items to its findings, where they are a level below; fields are then read "
        "from `outer` and `inner`.",
    )
    zero_based: tuple[Literal["line", "column"], ...] = Field((), description="What the tool counts from 0.")
    fields: Mapping[Literal["rule", "file", "line", "column", "severity", "message", "fixable", "cell"], Word] = Field(
        description="JMESPath from one finding to each of its fields; where there is a cell, of a notebook, line is "
        "one of its lines and not of the file's."
    )

    @model_validator(mode="after")
    def _whole(self) -> JsonReport:
        from jmespath import compile as expression  # noqa: PLC0415 - loaded where a manifest needs it, and not at the daemon's start
        from jmespath.exceptions import JMESPathError  # noqa: PLC0415 - as above

        _needs(self.fields)
        for key, source in [("items", self.items), ("within", self.within or "@"), *self.fields.items()]:
            try:
                expression(source)
            except JMESPathError as error:
                raise ValueError(f"{key} is no JMESPath: {error}") from None
        return self


class RegexReport(Table):
    """A report of one finding a line, read with RE2 (hostile lines cost linear time)."""

    format: Literal["regex"]
    pattern: Word = Field(
        description="RE2 with the named groups file, line, message, and if it can: rule, column, severity."
    )

    @model_validator(mode="after")
    def _whole(self) -> RegexReport:
        import re2  # noqa: PLC0415 - loaded where a manifest needs it, and not at the daemon's start

        options = re2.Options()
        options.log_errors = False  # the library writes to stderr; the error below says the same
        try:
            _needs(re2.compile(self.pattern, options).groupindex)
        except re2.error as error:
            raise ValueError(f"not an RE2 pattern: {error}") from None
        return self


class SarifReport(Table):
    """A report in SARIF 2.1.0 (OASIS), whose levels are error, warning, note and none. What the source suppresses is
    no finding."""

    format: Literal["sarif"]


def _needs(given: Mapping[Any, Any]) -> None:
    if missing := {"file", "line", "message"} - set(given):
        raise ValueError(f"does not give {', '.join(sorted(missing))}")
