"""The document: parsing within bounds, its model, its plan, and the checks before anything runs."""
