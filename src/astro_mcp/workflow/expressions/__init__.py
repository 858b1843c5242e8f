"""`${{ }}`: templates, references, and CEL in a child process with hard bounds."""
