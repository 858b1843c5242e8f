"""The language of a block of code, as generators of documentation write it down."""

from __future__ import annotations

import pytest

from astro_mcp.agents.search.page import read

TEXT = "A worker takes what the queue holds, and tells the others when it is done with that, as long as it lives."
CODE = "a = 1\n  b = 2\n"


def article(body: str) -> str:
    source = f"<!doctype html><body><main><h1>Guide</h1><p>{TEXT} {TEXT} {TEXT}</p>{body}<p>{TEXT} So.</p></main>"
    return read(source.encode(), "text/html; charset=utf-8", "https://site.example/", "article").markdown


@pytest.mark.parametrize(
    ("written", "language"),
    [
        (f'<div class="highlight-python notranslate"><div class="highlight"><pre>{CODE}</pre></div></div>', "python"),
        (f'<div class="highlight highlight-source-shell" dir="auto"><pre>{CODE}</pre></div>', "shell"),
        (f'<div class="language-ruby highlighter-rouge"><div><pre><code>{CODE}</code></pre></div></div>', "ruby"),
        (f'<div class="language-go highlight"><pre><span></span><code>{CODE}</code></pre></div>', "go"),
        (f'<div class="language-ts"><span class="lang">ts</span><pre><code>{CODE}</code></pre></div>', "ts"),
        (f'<p><span class="language-name">js</span></p><pre class="brush: js x"><code>{CODE}</code></pre>', "js"),
        (f'<pre class="rust rust-example-rendered"><code>{CODE}</code></pre>', "rust"),
        (f'<div class="mw-highlight mw-highlight-lang-c++" dir="ltr"><pre>{CODE}</pre></div>', "c++"),
        (f'<pre class="astro-code" data-language="yaml"><code>{CODE}</code></pre>', "yaml"),
        (f'<pre class="chroma"><code class="language-go" data-lang="go">{CODE}</code></pre>', "go"),
        (f'<div class="highlight-default"><pre>{CODE}</pre></div>', ""),
        (f'<pre data-language="x`y"><code>{CODE}</code></pre>', ""),
        (f'<section class="language-en"><pre>{CODE}</pre></section>', ""),
    ],
)  # fmt: skip
def test_a_block_of_code_is_told_with_its_language(written: str, language: str) -> None:
    assert f"{TEXT}\n\n```{language}\n{CODE}```\n\n{TEXT}" in article(written)
