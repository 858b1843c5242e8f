"""One policy a file; `app.py` puts them in order."""
