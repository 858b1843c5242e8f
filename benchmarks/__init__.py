"""Each headline figure as a command: scripts/bench NAME."""
