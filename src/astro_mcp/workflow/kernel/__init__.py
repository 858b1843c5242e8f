"""The kernel: `step(plan, state, event, evaluate)`, a pure function. docs/kernel.md has its table of states."""
