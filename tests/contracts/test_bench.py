"""What a benchmark says last is one object for CI, and its exit status says whether each target was met."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from benchmarks import call, sandbox, start
from benchmarks._rates import Rates
from benchmarks._report import report, row

ROWS = [row("ours", [0.001, 0.002, 0.003]), {"name": "theirs", "note": "not installed"}]
TARGETS = {"ours / theirs": 1.5, "ours / bare": 2.0}


def told(
    capsys: pytest.CaptureFixture[str], ratios: dict[str, float], targets: dict[str, float]
) -> tuple[int, str, dict[str, Any]]:
    status = report("figure", ROWS, ratios, targets, as_json=True)
    out = capsys.readouterr().out
    *_, last = out.splitlines()
    return status, out, json.loads(last)


def test_the_last_line_is_one_object_with_everything(capsys: pytest.CaptureFixture[str]) -> None:
    ratios = {"ours / theirs": 1.5, "ours / bare": 0.5, "a figure without a target": 99.0}
    status, out, body = told(capsys, ratios, TARGETS)
    assert (status, body["met"]) == (0, True)
    assert set(body) == {"name", "rows", "ratios", "targets", "met"}
    assert (body["name"], body["ratios"], body["targets"]) == ("figure", ratios, TARGETS)
    assert body["rows"][0] | {"n": 3, "median": 2.0, "unit": "ms"} == body["rows"][0]
    assert "MISSED" not in out


def test_without_json_the_last_line_is_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    assert report("figure", ROWS, {"ours / bare": 1.0}, {"ours / bare": 2.0}, as_json=False) == 0
    assert "{" not in capsys.readouterr().out


@pytest.mark.parametrize("value", [1.51, math.nan])
def test_a_missed_target_is_an_exit_of_1_and_is_said(capsys: pytest.CaptureFixture[str], value: float) -> None:
    status, out, body = told(capsys, {"ours / theirs": value, "ours / bare": 0.5}, TARGETS)
    assert (status, body["met"]) == (1, False)
    [line] = [line for line in out.splitlines() if "MISSED" in line]
    assert line.startswith("ours / theirs")


@pytest.mark.parametrize("ratios", [{"ours / bare": 0.5}, {}])
def test_a_target_that_was_not_measured_is_not_met_and_is_said(
    capsys: pytest.CaptureFixture[str], ratios: dict[str, float]
) -> None:
    status, out, body = told(capsys, ratios, TARGETS)
    assert (status, body["met"]) == (1, False)
    missed = [line for line in out.splitlines() if line.endswith("MISSED, it was not measured")]
    assert len(missed) == len(TARGETS) - len(ratios)
    assert any(line.startswith("ours / theirs") for line in missed)


def test_the_targets_are_the_promised_ones() -> None:
    assert start.TARGETS == {"shim / minimal": 0.1, "first start / minimal": 1.4}
    assert call.TARGETS == {"fs_read / echo": 1.5}
    assert sandbox.TARGETS == {"pool / docker run": 0.05, "pool, ms": 10, "session, ms": 8}


@pytest.mark.parametrize(
    ("rates", "said"),
    [
        (Rates(3.8, 4.0, 4.4), "bounded by the refill, and that by the engine's"),
        (Rates(3.8, 4.0, 9.0), "bounded by the refill, which is not the engine's bound"),
        (Rates(2.0, 4.0, 4.4), "not bounded by the refill"),
    ],
)
def test_what_bounds_the_sustained_rate_follows_from_the_figures(rates: Rates, said: str) -> None:
    assert rates.bound().startswith(said)
    assert any(rates.bound() in row["note"] for row in rates.rows())
