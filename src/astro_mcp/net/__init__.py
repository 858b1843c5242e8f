"""The one guarded transport for everything that leaves this machine."""
