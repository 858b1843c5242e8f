"""What a tool is and how one is called. Standard library, pydantic and anyio only."""
