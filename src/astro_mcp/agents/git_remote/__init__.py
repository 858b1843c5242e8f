"""The agent of git remotes: fetch, push and clone at hosts that the operator named. Without any it is not there."""
