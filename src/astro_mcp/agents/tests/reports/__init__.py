"""The forms of report that runners write, each read into the same events."""
