"""One package an agent; none knows another."""
