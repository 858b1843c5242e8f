"""Code that a model wrote, run in the sandbox."""
