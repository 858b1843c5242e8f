"""The one way to a workspace's bytes: roots, guards, ignore rules, and changes that can be undone."""
