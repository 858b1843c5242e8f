"""Where the definitions of a file of code begin and end, told by tree-sitter in a bounded child process."""
