"""Knowledge: notes, documents and code, found by their words and by what they mean."""
