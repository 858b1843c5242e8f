"""Numbered `.sql` files, applied once each, in order; a released one is never edited."""
