"""What docs/kernel.md says that holds always, and the tests that go red where it does not."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Final

import pytest

ROOT = Path(__file__).parents[2]
KERNEL = ROOT / "docs" / "kernel.md"
MACHINE = "workflow/test_machine.py::test_events_in_any_order_keep_what_holds"
DEATHS = "workflow/test_deaths.py::test_a_run_outlives_one_death_after_the_other"
KILLS = "daemon/test_kills.py::test_runs_outlive_some_kills_of_the_daemon_under_load"

SHOWN: Final[Mapping[str, tuple[str, ...]]] = {
    "kept": (DEATHS, KILLS, "workflow/test_deaths.py::test_a_run_outlives_a_death_at_every_transaction_and_effect"),
    "once": (MACHINE, DEATHS, KILLS),
    "one-end": (MACHINE, DEATHS, "workflow/test_runs.py::test_the_journal_can_not_be_rewritten"),
    "needs": (MACHINE, "workflow/test_kernel.py::test_any_graph_in_any_order_ends_as_the_naive_model_says"),
    "attempts": (MACHINE, "workflow/test_kernel.py::test_retries_wait_longer_each_time_and_end_at_the_limit"),
    "places": (
        MACHINE,
        "workflow/test_runs.py::test_steps_run_in_parallel_within_the_run_s_bound_and_no_more",
        "workflow/test_shares.py::test_a_tenant_has_no_more_calls_at_once_than_it_may_and_another_is_served_meanwhile",
        "fundamentals/test_call_path.py::test_calls_run_in_parallel_up_to_the_limit_and_not_beyond",
    ),
    "queue": ("workflow/test_run_control.py::test_past_the_queue_s_bound_a_caller_is_told_busy",),
    "still": (MACHINE, "workflow/test_kernel.py::test_a_paused_run_starts_nothing_and_goes_on_where_it_was"),
    "one-word": (MACHINE, "workflow/test_kernel.py::test_a_gate_is_decided_once_and_only_for_what_was_shown"),
    "final": (MACHINE, "workflow/test_kernel.py::test_signals_in_any_order_keep_what_holds"),
    "recovery": (DEATHS, "workflow/test_deaths.py::test_a_run_outlives_deaths_while_it_recovers"),
    "in-flight": (
        MACHINE,
        KILLS,
        "workflow/test_recovery.py::test_after_kill_9_completed_steps_stay_and_only_harmless_ones_run_again",
        "workflow/test_asked_again.py::test_a_run_that_dies_after_every_effect_has_done_each_once",
        "workflow/test_recovery.py::test_files_are_as_they_were_before_a_crash_when_a_run_is_taken_up",
    ),
    "order": ("workflow/test_orders.py::test_ten_thousand_orders_of_events_end_with_one_result_a_document",),
    "rows": (MACHINE,),
    "one-driver": (
        "workflow/test_driver.py::test_a_process_whose_runs_were_taken_over_writes_nothing_more",
        "workflow/test_driver.py::test_a_run_that_was_only_just_taken_over_is_not_advanced_by_who_had_it",
    ),
    "disk": (
        "workflow/test_disk.py::test_a_run_waits_while_the_disk_is_full_and_goes_on",
        "workflow/test_disk.py::test_a_run_waits_while_another_process_holds_the_lock_and_goes_on",
        "workflow/test_disk.py::test_an_effect_that_can_not_be_told_of_is_lost_and_no_further_attempt_is_made",
    ),
    "alone": (
        "workflow/test_disk.py::test_bytes_that_are_overwritten_within_one_run_stop_that_one_alone",
        "workflow/test_hostile_runs.py::test_a_damaged_run_is_failed_at_the_start_and_the_others_go_on",
    ),
    "time": (
        "workflow/test_disk.py::test_a_clock_that_is_set_back_holds_up_no_attempt",
        "workflow/test_kernel.py::test_what_is_due_at_once_happens_in_the_order_of_its_times_and_not_of_its_storage",
    ),
}


def told() -> list[str]:
    """The names in the page's table."""
    section = KERNEL.read_text(encoding="utf-8").partition("\n## What holds, always\n")[2].partition("\n## ")[0]
    return re.findall(r"^\| `([a-z-]+)` \|", section, re.MULTILINE)


@cache
def functions_of(file: str) -> frozenset[str]:
    tree = ast.parse((ROOT / "tests" / file).read_text(encoding="utf-8"))
    return frozenset(node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def test_everything_that_is_said_to_hold_is_shown_and_nothing_else_is() -> None:
    assert told() == list(SHOWN)


@pytest.mark.parametrize("name", SHOWN)
def test_what_is_said_to_hold_is_shown_by_tests_that_exist(name: str) -> None:
    assert SHOWN[name]
    for test in SHOWN[name]:
        file, _, function = test.partition("::")
        assert function in functions_of(file)
