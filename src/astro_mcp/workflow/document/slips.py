"""Words that models and people bring along from elsewhere (CI files, other engines), and what is written instead.

A table gives for a word what stands there instead: other words with their values, or none. What looks at a value may
answer None: it is no such slip, and stays as it is.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from astro_mcp.workflow.document import turns as shape

Words = dict[str, Any]
Turn = Callable[[Any, Mapping[str, Any]], Words | None]
"""`turn(value, all)`: the words instead; `all` is the mapping that the word stands in."""


@dataclass(frozen=True, slots=True)
class Slip:
    """What a wrong word, or a right one with a value of the wrong shape, becomes; and why."""

    turn: Turn
    why: str


Table = Mapping[str, Slip]


def _renamed(right: str, wrong: str) -> dict[str, Slip]:
    return {word: Slip(lambda value, _: {right: value}, f"this is written `{right}`") for word in wrong.split()}


def _left_out(why: str, words: str) -> dict[str, Slip]:
    return {word: Slip(lambda value, _: {}, f"{why}: leave it out") for word in words.split()}


def _each(turn: Turn, why: str, words: str) -> dict[str, Slip]:
    return dict.fromkeys(words.split(), Slip(turn, why))


def _meaning(right: str, wrong: str) -> dict[str, str]:
    return dict.fromkeys(wrong.split(), right)


DOCUMENT: Final[Table] = {
    **_each(shape.unwrapped, "the document's words stand at its top", "workflow spec document definition pipeline"),
    **_each(shape.of_jobs, "there are no jobs: a document has `steps`", "jobs stages"),
    **_renamed("steps", "tasks nodes actions flow plan do sequence"),
    **_each(shape.of_inputs, "what a run is given are its `inputs`", "env vars variables parameters params args input"),
    **_renamed("outputs", "output result results returns"),
    **_renamed("on_failure", "on_error on-error on-failure onFailure catch rescue"),
    **_renamed("name", "title id"),
    **_left_out("a run is started by workflow_run", "on triggers trigger schedule permissions runs-on concurrency"),
    **_left_out("`allow` is an argument of workflow_run", "allow effects"),
    **_left_out("the document has no such word", "apiVersion kind defaults shell"),
    **_each(shape.seconds, "this is written `timeout`", "timeout_seconds timeoutSeconds max_seconds"),
    **_each(shape.minutes, "this is written `timeout`", "timeout-minutes timeout_minutes timeoutMinutes"),
    **_each(shape.calls, "this is written `budget`", "max_calls budget"),
    **_each(shape.workspace, "this is written `workspace`", "worktree isolation work_space working_tree"),
    **_each(shape.workspace, "a workspace is in_place or worktree", "workspace"),
    **_each(shape.version, "a version is of numbers", "version"),
    **_each(shape.inputs, "inputs are an object: name, and type or default", "inputs"),
    **_each(shape.outputs, "outputs are an object: name and value", "outputs"),
    **_each(shape.time, "a time is a number of seconds, or `10s`, `5m`, `1h`", "timeout"),
    **_each(shape.listed("on_failure"), "`on_failure` is a list of steps", "on_failure"),
    **_each(shape.listed("steps"), "`steps` is a list", "steps"),
}

STEP: Final[Table] = {
    **_each(shape.named, "a step has an `id`, and no name besides it", "name title label"),
    **_each(shape.sort, "what a step does is its one of tool, do, ask, approve, workflow", "type kind"),
    **_left_out("a step has no such word", "description comment tags"),
    **_renamed("id", "key step step_id"),
    **_renamed("tool", "uses action call function tool_name use"),
    **_each(shape.program, "a program is run by the tool code_run", "run script command shell_command bash"),
    **_renamed("with", "args arguments params parameters input inputs kwargs payload"),
    **_each(shape.ask, "the host's model is asked by `ask`", "prompt question llm ask"),
    **_renamed("answer", "returns schema output_schema response"),
    **_each(shape.answer, "`answer` names fields, each with a type", "answer"),
    **_renamed("approve", "approval gate confirm"),
    **_each(shape.approve, "a gate is `approve`, an object with a `message`", "approve"),
    **_renamed("do", "steps body block then tasks"),
    **_renamed("workflow", "template subworkflow sub_workflow call_workflow"),
    **_each(shape.workflow, "`workflow` is a name; its inputs stand under `with`", "workflow"),
    **_renamed("needs", "depends_on depends-on dependsOn depends after requires dependencies"),
    **_each(shape.needs, "`needs` is a list of ids", "needs"),
    **_renamed("if", "when condition cond only_if run_if"),
    **_each(shape.unless, "this is written `if`", "unless"),
    **_each(shape.loop, "one step for many things has a `foreach`", "for_each for-each forEach loop items each matrix"),
    **_each(shape.loop, "one step for many things has a `foreach`", "with_items strategy foreach"),
    **_each(
        shape.parallel, "steps run side by side where none needs another; `max_parallel` bounds a foreach", "parallel"
    ),
    **_renamed("max_parallel", "concurrency max-parallel parallelism max_concurrency"),
    **_each(shape.until, "rounds are written `repeat`", "until"),
    **_each(shape.repeat, "rounds are bounded by `max`, and end by `until`", "repeat"),
    **_each(
        shape.on_error, "a failure is forgiven by `continue-on-error`, or met by `on_failure`", "on_error on-error"
    ),
    **_each(shape.on_error, "a failure is forgiven by `continue-on-error`", "ignore_errors allow_failure"),
    **_renamed("continue-on-error", "continue_on_error continueOnError"),
    **_renamed("on_failure", "catch rescue on-failure onFailure"),
    **_each(shape.listed("on_failure"), "`on_failure` is a list of steps", "on_failure"),
    **_each(shape.listed("do"), "`do` is a list of steps", "do"),
    **_each(shape.retries, "attempts are written `retry`, and counted with the first one", "retries max_retries"),
    **_each(shape.attempts, "attempts are written `retry`", "max_attempts attempts retry"),
    **_each(shape.seconds, "this is written `timeout`", "timeout_seconds timeoutSeconds max_seconds"),
    **_each(shape.minutes, "this is written `timeout`", "timeout_minutes timeoutMinutes"),
    **_each(shape.time, "a time is a number of seconds, or `10s`, `5m`, `1h`", "timeout"),
    **_left_out("what a step gives is at `steps.ID`", "outputs output register save_as result store"),
    **_left_out("tools run where the daemon says", "runs-on env shell working-directory cwd container services"),
    **_each(shape.arguments, "`with` is an object of names and values", "with"),
}

APPROVE: Final[Table] = {
    **_renamed("message", "text prompt question title description"),
    **_each(shape.level, "whose word counts is the `level`: model, host or operator", "level approver by role who"),
}
RETRY: Final[Table] = {
    **_renamed("max_attempts", "attempts max times count limit"),
    **_each(shape.retries_inside, "attempts are counted with the first one", "max_retries retries"),
    **_renamed("initial_interval", "delay interval wait initial_delay initial"),
    **_renamed("max_interval", "max_delay max_wait"),
    **_renamed("backoff", "factor multiplier backoff_factor"),
    **_each(shape.backoff, "`backoff` is a number: each pause is so many times the one before", "backoff"),
}
REPEAT: Final[Table] = {
    **_renamed("max", "max_rounds max_attempts max_iterations times limit count"),
    **_renamed("until", "condition stop_when"),
    **_each(shape.unless_until, "rounds end by `until`", "while"),
}
INSIDE: Final[Mapping[str, Table]] = {"approve": APPROVE, "retry": RETRY, "repeat": REPEAT}
INPUT: Final[Table] = {
    **_renamed("description", "desc title help label"),
    **_renamed("default", "value"),
    **_each(shape.required, "an input without a `default` must be given", "required optional"),
    **_each(shape.type_name, "a type is string, integer, number, boolean, array or object", "type"),
    **_left_out("an input has no such word", "name enum choices options format example examples"),
}

TOOLS: Final[Mapping[str, str]] = {
    **_meaning("fs_read", "read_file readfile cat view open_file file_read"),
    **_meaning("fs_write", "write_file create_file save_file file_write"),
    **_meaning("fs_edit", "edit_file str_replace apply_patch patch file_edit"),
    **_meaning("fs_list", "list_files list_directory ls glob list_dir"),
    **_meaning("fs_search", "search_files grep ripgrep find_in_files"),
    **_meaning("fs_delete", "delete_file remove_file rm"),
    **_meaning("fs_move", "move_file rename_file mv rename"),
    **_meaning("code_run", "bash shell python execute run_code run_python exec sh"),
    **_meaning("test_run", "pytest run_tests test tests"),
    **_meaning("lint_check", "lint ruff run_linter linter"),
    **_meaning("lint_fix", "fix_lint autofix ruff_fix"),
    **_meaning("web_search", "search google search_web"),
    **_meaning("web_fetch", "fetch http_get curl fetch_url http browse"),
    **_meaning("git_commit", "commit checkin"),
    **_meaning("kb_remember", "remember save_note memory"),
    **_meaning("kb_search", "recall search_notes rag retrieve"),
}
"""Names of the same tool elsewhere."""

ARGUMENTS: Final[Mapping[str, str]] = {
    **_meaning("path", "file filename file_path filepath file_name folder directory dir"),
    **_meaning("paths", "files folders file_paths"),
    **_meaning("content", "body data contents"),
    **_meaning("code", "script cmd command program source"),
    **_meaning("query", "q search search_query"),
    **_meaning("message", "msg commit_message"),
    **_meaning("to", "dest destination target new_path"),
    **_meaning("url", "link address uri"),
    **_meaning("pattern", "regexp needle"),
    **_meaning("repo", "repository cwd"),
}
"""Names of the same argument elsewhere."""

FIELDS: Final[Mapping[str, tuple[str, ...]]] = {
    **dict.fromkeys(("content", "contents", "body", "data"), ("text", "markdown", "content", "stdout")),
    **dict.fromkeys(("output", "result", "text"), ("text", "markdown", "content", "stdout", "answer")),
    **dict.fromkeys(("results", "files", "hits", "matches", "findings", "commits", "list"), ("items", "failures")),
    **dict.fromkeys(("count", "number", "length", "size"), ("total",)),
    **dict.fromkeys(("code", "status", "returncode", "exitcode"), ("exit_code",)),
    **dict.fromkeys(("commit", "hash", "digest", "checksum"), ("sha", "sha256")),
    **dict.fromkeys(("path", "file"), ("path", "url_final")),
    **dict.fromkeys(("answer", "response", "message"), ("answer", "text", "markdown")),
}
"""What a field of a tool's output may be called elsewhere, and what it is here where that is there."""

PREFIX: Final = re.compile(r".*(?:__|[.:/])")
"""What hosts and files put before a tool's name: `mcp__astro__fs_read`, `astro/fs_read`."""
