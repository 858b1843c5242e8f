"""What leaves the daemon for people: one rule for every sink."""
