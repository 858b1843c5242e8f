"""How pictures look: colours for light and dark, and a mark for each status, which no colour is needed to tell."""

from __future__ import annotations

from typing import Final

_LIGHT: Final = {
    "page": "#ffffff",
    "edge": "#d1d9e0",
    "box": "#f6f8fa",
    "text": "#1f2328",
    "quiet": "#59636e",
    "link": "#818b98",
    "on": "#ffffff",
    "succeeded": "#1a7f37",
    "failed": "#cf222e",
    "lost": "#8250df",
    "running": "#0969da",
    "waiting": "#9a6700",
}
_DARK: Final = {
    "page": "#0d1117",
    "edge": "#3d444d",
    "box": "#151b23",
    "text": "#f0f6fc",
    "quiet": "#9198a1",
    "link": "#656c76",
    "on": "#0d1117",
    "succeeded": "#3fb950",
    "failed": "#f85149",
    "lost": "#ab7df8",
    "running": "#4493f8",
    "waiting": "#d29922",
}
_STATUSES: Final = ("succeeded", "failed", "lost", "running", "waiting")
_QUIET: Final = ("pending", "ready", "skipped", "cancelled")

MARKS: Final = {
    "succeeded": '<path d="M-4 0l3 3 5-6"/>',
    "failed": '<path d="M-3-3l6 6M3-3l-6 6"/>',
    "lost": '<path d="M-2.5-2a2.5 2.5 0 1 1 3.5 2q-1 .5-1 1.5M0 4v.2"/>',
    "running": '<path d="M-2-3.5l5 3.5-5 3.5z"/>',
    "waiting": '<path d="M-2-3v6M2-3v6"/>',
    "skipped": '<path d="M-4 0h8"/>',
    "cancelled": '<path d="M-3 3l6-6"/>',
    "ready": '<path d="M0-4v4h3"/>',
    "pending": '<path d="M-3 0h.2M0 0h.2M3 0h.2"/>',
}


def _rules(colours: dict[str, str]) -> str:
    rules = [
        f".astro .page{{fill:{colours['page']};stroke:{colours['edge']}}}",
        f".astro .box{{fill:{colours['box']};stroke:{colours['edge']}}}",
        f".astro .frame{{fill:{colours['page']}}}",
        f".astro text{{fill:{colours['text']}}}",
        f".astro .line{{fill:{colours['quiet']}}}",
        f".astro .link{{stroke:{colours['link']}}}",
        f".astro .head{{fill:{colours['link']}}}",
        f".astro .mark path{{stroke:{colours['on']}}}",
    ]
    for status in _STATUSES:
        colour = colours[status]
        rules.append(f".astro .{status}>.box{{stroke:{colour}}}.astro .{status}>.mark circle{{fill:{colour}}}")
        rules.append(f".astro .{status}>.word,.astro .line.{status}{{fill:{colour}}}")
    rules += [f".astro .{status}>.mark circle{{fill:{colours['quiet']}}}" for status in _QUIET]
    return "".join(rules)


STYLE: Final = (
    ".astro text{font-family:system-ui,-apple-system,'Segoe UI',Roboto,'Helvetica Neue',Arial,sans-serif}"
    ".astro .name{font-size:16px;font-weight:600}.astro .id{font-size:13px;font-weight:600}"
    ".astro .line{font-size:11.5px}.astro .link{fill:none;stroke-width:1.3}.astro .rescues{stroke-dasharray:5 4}"
    ".astro .rescue>.box{stroke-dasharray:5 4}.astro .skipped>.id,.astro .cancelled>.id{opacity:.6}"
    ".astro .mark path{fill:none;stroke-width:1.8;stroke-linecap:round;stroke-linejoin:round}"
    f"{_rules(_LIGHT)}@media (prefers-color-scheme:dark){{{_rules(_DARK)}}}"
)
