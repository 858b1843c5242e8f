"""In the child that runs pip: a source distribution is fetched, its hash is checked, and there pip stops.

To learn what it needs pip would unpack it and run its build on this machine. So pip meets sources of approved packages
alone, wheels go before them, and the first one that it can't do without is put aside unopened. Whoever started the
child has it built elsewhere, and starts pip again with the wheel.
"""

from __future__ import annotations

import contextlib
import json
import shutil
from pathlib import Path
from typing import Any, Final

REFUSED: Final = "astro-mcp: sources are never built on this machine"
FETCHED: Final = "astro-mcp: a source distribution was fetched, and nothing of it ran"
REPORT: Final = "report.json"
FILE: Final = "file"
NOT_PERMITTED: Final = "No sources permitted for "


class Sources:
    """`approved` are canonical names. `folder`, which is there, gets `report.json`: `fetched`, the name of the source
    distribution that lies beside it as `file`, or none; `refused`, names and versions of sources that were passed
    over; and `unanswered`."""

    def __init__(self, approved: frozenset[str], folder: Path) -> None:
        self._approved = approved
        self._folder = folder
        self._fetched = ""
        self._refused: set[tuple[str, str]] = set()

    def hold(self) -> None:
        """From here on this process's pip prepares wheels alone."""
        from pip._internal.exceptions import InstallationError  # noqa: PLC0415 - after the audit hook of the child
        from pip._internal.index.package_finder import PackageFinder  # noqa: PLC0415 - the same
        from pip._internal.metadata import BaseDistribution  # noqa: PLC0415 - the same
        from pip._internal.models.format_control import FormatControl  # noqa: PLC0415 - the same
        from pip._internal.operations import prepare  # noqa: PLC0415 - the same
        from pip._vendor.packaging.utils import (  # noqa: PLC0415 - the same
            InvalidSdistFilename,
            canonicalize_name,
            parse_sdist_filename,
        )

        approved, refused, put_aside = self._approved, self._refused, self._put_aside
        formats = FormatControl.get_allowed_formats
        skipped = PackageFinder._log_skipped_link
        prepared = prepare.RequirementPreparer.prepare_linked_requirement

        def with_approved(self: FormatControl, canonical_name: str) -> frozenset[str]:
            return formats(self, canonical_name) | ({"source"} if canonical_name in approved else set())

        def noted(self: PackageFinder, link: Any, result: Any, detail: str) -> None:
            if detail.startswith(NOT_PERMITTED):
                with contextlib.suppress(InvalidSdistFilename):  # what is no source of today's form is never built
                    name, version = parse_sdist_filename(link.filename)
                    refused.add((name, str(version)))
            skipped(self, link, result, detail)

        def wheels_alone(
            self: prepare.RequirementPreparer, req: Any, parallel_builds: bool = False
        ) -> BaseDistribution:
            link = req.link
            if link.is_wheel:
                return prepared(self, req, parallel_builds)
            if canonicalize_name(req.name or "") not in approved or link.is_vcs or link.is_existing_dir():
                raise InstallationError(REFUSED)
            hashes = self._get_linked_req_hashes(req)
            if link.is_file:
                found = prepare.get_file_url(link, hashes=hashes)
            else:
                found = prepare.get_http_url(link, self._download, hashes=hashes)
            put_aside(link.filename, found.path)
            raise InstallationError(FETCHED)

        FormatControl.get_allowed_formats = with_approved  # type: ignore[method-assign] # pip has no setting for it
        PackageFinder._log_skipped_link = noted  # type: ignore[method-assign] # the same
        prepare.RequirementPreparer.prepare_linked_requirement = wheels_alone  # type: ignore[method-assign] # the same

    def _put_aside(self, name: str, path: str) -> None:
        shutil.copyfile(path, self._folder / FILE)
        self._fetched = name

    def report(self, unanswered: list[str]) -> None:
        """Write down what was met, and what pip said of indexes that were `unanswered`."""
        said = {"fetched": self._fetched, "refused": sorted(self._refused), "unanswered": unanswered}
        (self._folder / REPORT).write_text(json.dumps(said), encoding="utf-8")
