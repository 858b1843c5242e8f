"""Pictures of plans and runs: what they show, that nothing hostile gets through, that they stay small and in place."""

from __future__ import annotations

import itertools
import json
import random
import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from tests.quickest import computed
from tests.workflow.house import TEMPLATES, house, session, until_called

from astro_mcp.errors import NotFound
from astro_mcp.workflow.document.plan import Plan
from astro_mcp.workflow.document.read import parse
from astro_mcp.workflow.kernel.state import PENDING, RunState, StepState
from astro_mcp.workflow.pictures.arrows import Arrow, reduced
from astro_mcp.workflow.pictures.layers import GAP, layered
from astro_mcp.workflow.pictures.mermaid import ARROWS, CHARACTERS, label
from astro_mcp.workflow.pictures.scene import pictured
from astro_mcp.workflow.pictures.shown import as_mermaid, as_svg
from astro_mcp.workflow.pictures.style import MARKS
from astro_mcp.workflow.pictures.tally import WORST_FIRST

SVG = "{http://www.w3.org/2000/svg}"
ELEMENTS = {"svg", "title", "style", "rect", "text", "g", "path", "circle"}
ATTRIBUTES = {
    *("class", "width", "height", "viewBox", "role", "aria-label", "x", "y", "rx", "r", "d", "transform"),
}
LABEL = r'"(?:[^\W]|[ _\-,/+=]|#\d{1,7};|<br/>)*"'
BOX = rf"s\d+(\[|\(\[|{{{{){LABEL}(\]|\]\)|}}}})"
LINE = re.compile(
    rf"flowchart TB|  top\[{LABEL}\]:::top|\s*(subgraph )?{BOX}|\s*direction TB|\s*end"
    r"|  s\d+ (-->|-\.->) s\d+|  classDef [a-z]+ [a-z0-9:#, -]+|  class (s\d+,)*s\d+ [a-z]+"
)
WHOLE: dict[str, Any] = {
    "name": "everything",
    "steps": [
        {"id": "look", "tool": "toy_list", "with": {"count": 5}},
        {
            "id": "each",
            "foreach": "${{ steps.look.items }}",
            "do": [
                {"id": "say", "tool": "toy_say", "with": {"text": "${{ item.file }}"}},
                {"id": "add", "needs": ["say"], "tool": "toy_add", "with": {"number": "${{ index }}"}},
            ],
        },
        {"id": "again", "repeat": {"max": 3, "until": "true"}, "do": [{"id": "draft", "tool": "toy_say"}]},
        {"id": "other", "workflow": "inner"},
        {"id": "word", "needs": ["each"], "ask": "Say the word"},
        {"id": "gate", "needs": ["each"], "approve": {"message": "Go on?", "level": "host"}},
        {"id": "last", "needs": ["gate", "word", "look"], "if": "always()", "tool": "toy_write"},
    ],
    "on_failure": [{"id": "undo", "tool": "toy_say"}],
    "workflows": {"inner": {"steps": [{"id": "deep", "tool": "toy_say"}]}},
}
HOSTILE = (
    '</text><script>alert(1)</script><image href="http://evil.example/x.png"/>',
    "\"]; click s1 href 'javascript:alert(1)'; %%{init: {'securityLevel': 'loose'}}%%",
    ']]> <!-- --> &#60;script&#62; <![CDATA[ &quot; \' onload="alert(1)"',
    "\x1b[2J\x00\x07 \u202egnp.exe\u2066 \U000e0041 \ufffe",
    "`**bold**` #quot; #60;img src=x onerror=alert(1)#62;",
)


def plan(steps: list[Any], **more: Any) -> Plan:
    return parse(json.dumps({"name": "plan", "steps": steps, **more}))


def elements(text: str) -> list[ElementTree.Element]:
    """Every element of a picture, which are none but the harmless ones."""
    found = list(ElementTree.fromstring(text).iter())
    assert {element.tag.removeprefix(SVG) for element in found} <= ELEMENTS
    assert {name for element in found for name in element.attrib} <= ATTRIBUTES
    [style] = [element.text or "" for element in found if element.tag == f"{SVG}style"]
    assert "url(" not in style
    assert "@import" not in style
    return found


def texts(text: str) -> list[str]:
    return [element.text or "" for element in elements(text) if element.tag == f"{SVG}text"]


def test_a_plan_is_boxes_frames_and_arrows() -> None:
    whole = parse(json.dumps(WHOLE))
    shown = texts(as_svg(whole))
    assert shown[:2] == ["everything", "12 steps"]
    for line in ("for each of steps.look.items", "at most 3 times, until true", "workflow inner", "ask: Say the word"):
        assert line in shown
    for line in ("gate (host): Go on?", "if always()", "when something failed", "toy_write"):
        assert line in shown
    arrows = {(arrow.source, arrow.target, arrow.rescue) for arrow in pictured(whole).scene.arrows}
    needs = {("look", "each"), ("each", "word"), ("each", "gate"), ("gate", "last"), ("word", "last")}
    ends = {(end, "on_failure", True) for end in ("again", "other", "last")}
    assert arrows == {(*pair, False) for pair in needs} | ends
    kinds = {box.id: box.kind for scene in pictured(whole).scene.all() for box in scene.boxes}
    assert {kinds[name] for name in ("each", "again", "other", "on_failure")} == {
        *("foreach", "repeat", "workflow", "rescue"),
    }
    flow = as_mermaid(whole)
    assert flow.count("subgraph") == flow.count("  end") == 4
    assert "s12 -.-> s13" not in flow
    assert flow.count("-.->") == 3


async def test_a_run_is_shown_as_it_is_and_instances_in_counts(tmp_path: Path) -> None:
    async with house(tmp_path) as h:
        wanted = {**WHOLE, "steps": [*WHOLE["steps"], {"id": "held", "tool": "toy_hold"}]}
        run_id = (await h.run(json.dumps(wanted), wait_seconds=0))["run_id"]
        await until_called(h.toys, "add 4")
        h.toys.gate.set()
        await h.call("workflow_status", run_id=run_id, wait_seconds=10)
        shown = texts(await h.read(f"astro://runs/{run_id}/picture"))
        assert f"{run_id} · 14/17 steps, waiting: word (waiting), gate (waiting)" in shown
        assert shown.count("5 succeeded") == 2
        assert "5 in all: 5 succeeded" in shown
        assert shown.count("waiting") == 2
        assert "pending" in shown
        assert any(re.fullmatch(r"succeeded · \d\.\d\d s", line) for line in shown)
        flow = await h.read(f"astro://runs/{run_id}/mermaid")
        assert "5 in all#58; 5 succeeded" in flow
        assert re.search(r"class (s\d+,)*s\d+ waiting", flow)
        await h.call("workflow_control", run_id=run_id, action="cancel")
        assert "cancelled" in "".join(texts(await h.read(f"astro://runs/{run_id}/picture")))
        for kind in ("picture", "mermaid"):
            with pytest.raises(NotFound) as foreign:
                await h.read(f"astro://runs/{run_id}/{kind}", session(tmp_path, "somebody else"))
            with pytest.raises(NotFound) as missing:
                await h.read(f"astro://runs/{run_id[:-4]}0000/{kind}")
            assert str(foreign.value).replace(run_id, "") == str(missing.value).replace(f"{run_id[:-4]}0000", "")


async def test_every_template_has_both_pictures(tmp_path: Path) -> None:
    async with house(tmp_path, templates=tmp_path) as h:
        (tmp_path / "small.yaml").write_text('{"version": "1", "steps": [{"id": "one", "tool": "toy_say"}]}')
        assert "toy_say" in texts(await h.read("astro://workflows/small/picture"))
        assert 's1["one<br/>toy_say"]' in await h.read("astro://workflows/small/mermaid")
        with pytest.raises(NotFound, match="no template"):
            await h.read("astro://workflows/smal/picture")
    for file in TEMPLATES.glob("*.yaml"):
        drawn = parse(file.read_text())
        assert texts(as_svg(drawn))[0] == file.stem
        assert all(LINE.fullmatch(line) for line in as_mermaid(drawn).splitlines())


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_is_shown_as_text_or_not_at_all(text: str) -> None:
    steps = [
        {"id": "one", "ask": text},
        {"id": "two", "approve": {"message": text}},
        {"id": "three", "tool": text},
        {"id": "four", "foreach": text, "tool": "toy_say"},
        {"id": "five", "if": f"x == {json.dumps(text)}", "tool": "toy_say"},
    ]
    hostile = plan(steps, name=text[:80])
    state = RunState("run_1", {}, 0.0, 1, steps={"one": StepState(1, status="failed", error={"code": text})})
    svg = as_svg(hostile, state)
    shown = "".join(texts(svg))
    assert not re.search(
        "[\x00-\x08\x0b-\x1f\x7f\u200e\u200f\u202a-\u202e\u2066-\u2069\ufffe\U000e0000-\U000e007f]", svg
    )
    assert "ask: " in shown
    wrong = [line for line in as_mermaid(hostile, state).splitlines() if not LINE.fullmatch(line)]
    assert wrong == []


def test_a_label_is_whole_entities_whatever_it_is_cut_to() -> None:
    for most in range(1, 60):
        assert re.fullmatch(LABEL, label(("a<b>\"'`&#;", "two"), most))


def large() -> tuple[Plan, RunState]:
    """500 steps in bodies, and a run of them with 1,000 instances."""
    body = [{"id": f"t{n}", "tool": "toy_say", "needs": [f"t{n - 1}"] if n % 3 else []} for n in range(99)]
    steps = [{"id": f"s{n}", "foreach": "${{ inputs.all }}", "do": body} for n in range(5)]
    states = {}
    for n in range(5):
        states[f"s{n}"] = StepState(n, status="running", items=list(range(300)), opened=200)
        states |= {f"s{n}.{i}": StepState(n, status="running") for i in range(200)}
        states |= {f"s{n}.{i}.t{i % 99}": StepState(n, status="succeeded") for i in range(200)}
    return plan(steps, inputs={"all": {"type": "array"}}), RunState("run_1", {}, 0.0, 1, status="running", steps=states)


def test_500_steps_and_1000_instances_are_drawn_quickly_and_within_bounds() -> None:
    whole, state = large()
    svg, flow = computed(3, lambda: (as_svg(whole, state), as_mermaid(whole, state)))
    assert len(svg) < 400_000
    assert "300 in all: 200 running, 100 pending" in texts(svg)
    assert len(flow) <= CHARACTERS
    assert "99 steps inside" in flow


def test_more_arrows_than_can_be_followed_are_left_out_and_counted() -> None:
    needed = [f"s{n}" for n in range(40)]
    wall = plan([{"id": f"s{n}", "tool": "t", "needs": needed if n >= 40 else []} for n in range(80)])
    svg, flow = as_svg(wall), as_mermaid(wall)
    assert texts(svg)[1] == "80 steps · 600 arrows are left out"
    assert len(svg) < 400_000
    assert flow.count("-->") == ARROWS
    assert f"{1000 - ARROWS} arrows are left out" in flow
    assert len(flow) <= CHARACTERS


def test_a_picture_is_the_same_whenever_it_is_drawn() -> None:
    one, two = (parse(json.dumps(WHOLE)) for _ in range(2))
    states = {"each": StepState(1, status="running", items=[1, 2], opened=1), "each.0": StepState(2, status="running")}
    state = RunState("run_1", {}, 0.0, 1, status="running", steps=states)
    assert as_svg(one, state) == as_svg(two, state)
    assert as_mermaid(one, state) == as_mermaid(two, state)


def test_arrows_that_follow_from_others_are_not_drawn() -> None:
    needs = {"a": (), "b": ("a",), "c": ("a", "b"), "d": ("a", "c", "b"), "e": ("a",)}
    assert reduced(needs) == {"a": [], "b": ["a"], "c": ["b"], "d": ["c"], "e": ["a"]}


@pytest.mark.parametrize("seed", range(8))
def test_boxes_never_overlap_and_every_arrow_goes_down(seed: int) -> None:
    chance = random.Random(seed)
    widths = {f"s{n}": chance.uniform(100, 500) for n in range(chance.randint(1, 40))}
    names = list(widths)
    arrows = [
        Arrow(names[chance.randrange(n)], names[n]) for n in range(1, len(names)) for _ in range(chance.randint(0, 2))
    ]
    layers = layered(widths, list(dict.fromkeys(arrows)))
    assert sorted(spot for row in layers.rows for spot in row if isinstance(spot, str)) == sorted(names)
    for row in layers.rows:
        boxes = [spot for spot in row if isinstance(spot, str)]
        for left, right in itertools.pairwise(boxes):
            apart = layers.centres[right] - layers.centres[left] - (widths[left] + widths[right]) / 2
            assert apart >= GAP - 0.001
    row_of = {spot: place for place, row in enumerate(layers.rows) for spot in row}
    assert all(row_of[link.lower] == row_of[link.upper] + 1 for link in layers.links)
    assert all(layers.centres[name] - widths[name] / 2 >= -0.001 for name in names)


def test_every_status_has_a_mark_and_a_rank() -> None:
    assert set(MARKS) == set(WORST_FIRST)
    assert PENDING in MARKS
