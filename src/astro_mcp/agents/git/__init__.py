"""The git agent: history read, commits and branches made, and nothing of the repository's own ever run."""
