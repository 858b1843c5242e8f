"""Pictures of plans and runs: what is in them, where it stands, and how it is written down as SVG or Mermaid."""
