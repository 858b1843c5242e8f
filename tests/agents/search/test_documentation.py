"""Pages as generators of documentation and encyclopedias write them: an article keeps what their readers look for."""

from __future__ import annotations

import pytest

from astro_mcp.agents.search.page import read

TEXT = "A worker takes what the queue holds, and tells the others when it is done with that, as long as it lives."


def article(body: str) -> str:
    source = f"<!doctype html><body><main><h1>Guide</h1><p>{TEXT} {TEXT} {TEXT}</p>{body}</main>"
    return read(source.encode(), "text/html; charset=utf-8", "https://site.example/", "article").markdown


@pytest.mark.parametrize(
    ("body", "end"),
    [
        ("<ul><li><p>first</p></li><li><p>second</p></li></ul>", "- first\n\n- second\n"),
        ("<dl><dt>Returns:</dt><dd><p>a value</p></dd></dl>", "Returns:\n\na value\n"),
        ("<table><tr><th>A<th><p>B<tr><td>1<td><p>2</table>", "| A | B |\n| --- | --- |\n| 1 | 2 |\n"),
    ],
)
def test_short_paragraphs_in_the_last_list_or_table_stay(body: str, end: str) -> None:
    assert article(body).endswith(f"{TEXT}\n\n{end}")
