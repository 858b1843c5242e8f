"""Everything under `astro://`, for hosts whose models reach no resources; and artifacts into the workspace."""
