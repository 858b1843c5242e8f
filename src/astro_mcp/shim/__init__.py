"""The shim: what a host starts. The standard library alone, and little of it, because every host waits for it."""
