"""Steps in words of elsewhere, and what is right."""

from __future__ import annotations

from typing import Any

STEPS: dict[str, tuple[str, dict[str, Any]]] = {
    # what stands in the step's place → what is right
    "args": ("{id: a, tool: toy_say, args: {text: x}}", {"with": {"text": "x"}}),
    "params": ("{id: a, tool: toy_say, params: {text: x}}", {"with": {"text": "x"}}),
    "arguments": ("{id: a, tool: toy_say, arguments: {text: x}}", {"with": {"text": "x"}}),
    "input": ("{id: a, tool: toy_say, input: {text: x}}", {"with": {"text": "x"}}),
    "args beside with": ("{id: a, tool: toy_add, args: {number: 1}, with: {}}", {"with": {"number": 1}}),
    "arguments as JSON text": ('{id: a, tool: toy_say, with: \'{"text": "x"}\'}', {"with": {"text": "x"}}),
    "action": ("{id: a, action: toy_say}", {"tool": "toy_say"}),
    "uses": ("{id: a, uses: toy_say}", {"tool": "toy_say"}),
    "name for tool": ("{id: a, name: toy_say}", {"tool": "toy_say"}),
    "type and name": ("{id: a, type: tool, name: toy_say}", {"tool": "toy_say"}),
    "name beside uses": ("{name: Say hello, uses: toy_say}", {"id": "say_hello", "tool": "toy_say"}),
    "no id": ("{tool: toy_say}", {"id": "toy_say"}),
    "an id in other letters": ("{id: Say-It, tool: toy_say}", {"id": "say_it"}),
    "a prefix of a host": ("{id: a, tool: mcp__astro__toy_say}", {"tool": "toy_say"}),
    "a tool's name elsewhere": (
        "{id: a, tool: read_file, with: {file: x}}",
        {"tool": "fs_read", "with": {"path": "x"}},
    ),
    "bash": ("{id: a, bash: ls}", {"tool": "code_run"}),
    "run": (
        "{id: a, run: echo hi}",
        {"tool": "code_run", "with": {"language": "shell", "code": "echo hi"}},
    ),
    "depends_on": ("{id: a, tool: toy_say, depends_on: [z]}", {"needs": ["z"]}),
    "needs with commas": ("{id: a, tool: toy_say, needs: 'z, z'}", {"needs": ["z", "z"]}),
    "needs of nobody": ("{id: a, tool: toy_say, needs: [zz]}", {"needs": ["z"]}),
    "when": ("{id: a, tool: toy_say, when: steps.z.number > 0}", {"if": "steps.z.number > 0"}),
    "condition": ("{id: a, tool: toy_say, condition: steps.z.number = 0}", {"if": "steps.z.number == 0"}),
    "unless": ("{id: a, tool: toy_say, unless: steps.z.number > 0}", {"if": "!(steps.z.number > 0)"}),
    "for_each": ("{id: a, tool: toy_say, for_each: [x], with: {text: '${{ item }}'}}", {"foreach": ["x"]}),
    "loop": ("{id: a, tool: toy_say, loop: [x]}", {"foreach": ["x"]}),
    "items": ("{id: a, tool: toy_say, items: [x]}", {"foreach": ["x"]}),
    "matrix": (
        "{id: a, tool: toy_say, strategy: {matrix: {os: [x]}, max-parallel: 2}, with: {text: '${{ matrix.os }}'}}",
        {"foreach": ["x"], "max_parallel": 2, "with": {"text": "${{ item }}"}},
    ),
    "foreach in": ("{id: a, tool: toy_say, foreach: {in: [x], as: name}}", {"foreach": ["x"]}),
    "foreach of plain text": (
        "{id: a, tool: toy_say, foreach: steps.list.items}",
        {"foreach": "${{ steps.list.items }}"},
    ),
    "parallel": ("{id: a, tool: toy_say, parallel: true}", {}),
    "parallel steps": ("{id: a, parallel: [{id: b, tool: toy_say}]}", {"do": [{"id": "b", "tool": "toy_say"}]}),
    "parallel number": ("{id: a, foreach: [x], tool: toy_say, parallel: 3}", {"max_parallel": 3}),
    "on_error continue": ("{id: a, tool: toy_say, on_error: continue}", {"continue-on-error": True}),
    "on_error steps": ("{id: a, tool: toy_say, on_error: [{id: u, tool: toy_say}]}", {}),
    "on_failure of one step": ("{id: a, tool: toy_say, on_failure: {id: u, tool: toy_say}}", {}),
    "continue_on_error": ("{id: a, tool: toy_say, continue_on_error: true}", {"continue-on-error": True}),
    "ignore_errors": ("{id: a, tool: toy_say, ignore_errors: true}", {"continue-on-error": True}),
    "retries": ("{id: a, tool: toy_say, retries: 3}", {"retry": {"max_attempts": 4}}),
    "retry of a number": ("{id: a, tool: toy_say, retry: 3}", {"retry": {"max_attempts": 3}}),
    "retry in other words": (
        "{id: a, tool: toy_say, retry: {attempts: 2, delay: 1s, backoff: exponential}}",
        {"retry": {"max_attempts": 2, "initial_interval": "1s", "backoff": 2}},
    ),
    "prompt": ("{id: a, prompt: Why?}", {"ask": "Why?"}),
    "question": ("{id: a, question: Why?}", {"ask": "Why?"}),
    "ask as an object": (
        "{id: a, ask: {prompt: Why?, schema: {why: str}}}",
        {"ask": "Why?", "answer": {"why": "string"}},
    ),
    "answer as a list": ("{id: a, ask: Why?, answer: [why]}", {"answer": {"why": "string"}}),
    "answer as a JSON schema": (
        "{id: a, ask: Why?, answer: {type: object, properties: {n: {type: integer}}}}",
        {"answer": {"n": "integer"}},
    ),
    "approval": ("{id: a, approval: Go on?}", {"approve": {"message": "Go on?"}}),
    "approve by a human": (
        "{id: a, approve: {prompt: Go on?, level: human}}",
        {"approve": {"message": "Go on?", "level": "host"}},
    ),
    "steps in a step": ("{id: a, steps: [{id: b, tool: toy_say}]}", {"do": [{"id": "b", "tool": "toy_say"}]}),
    "do as an object": ("{id: a, do: {b: {tool: toy_say}}}", {"do": [{"id": "b", "tool": "toy_say"}]}),
    "template": ("{id: a, template: part, inputs: {text: x}}", {"workflow": "part", "with": {"text": "x"}}),
    "workflow as an object": (
        "{id: a, workflow: {name: part, with: {txt: x}}}",
        {"workflow": "part", "with": {"text": "x"}},
    ),
    "until": (
        "{id: a, until: steps.b.number > 1, do: [{id: b, tool: toy_say}]}",
        {"repeat": {"max": 10, "until": "steps.b.number > 1"}},
    ),
    "repeat in other words": (
        "{id: a, repeat: {times: 3, while: steps.b.number < 1}, do: [{id: b, tool: toy_say}]}",
        {"repeat": {"max": 3, "until": "!(steps.b.number < 1)"}},
    ),
    "a time in words": ("{id: a, tool: toy_say, timeout: 10 minutes}", {"timeout": "10m"}),
    "timeout_minutes": ("{id: a, tool: toy_say, timeout_minutes: 5}", {"timeout": "5m"}),
    "register": ("{id: a, tool: toy_say, register: out, env: {A: b}, working-directory: x}", {}),
    "a description": ("{id: a, tool: toy_say, description: Says it.}", {}),
    "a mistyped word": ("{id: a, tool: toy_say, tiemout: 3}", {"timeout": 3}),
    "a mistyped argument": ("{id: a, tool: toy_say, with: {txt: x}}", {"with": {"text": "x"}}),
    "an argument in other words": (
        "{id: a, tool: fs_write, with: {file: x, data: y}}",
        {"with": {"path": "x", "content": "y"}},
    ),
}
