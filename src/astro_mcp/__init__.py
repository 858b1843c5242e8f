"""astro-mcp: a workbench for LLM hosts behind one MCP server. Importing the package imports nothing else."""
