"""Repositories of other machines: fetched from, pushed to and cloned, over https, at hosts that the operator named.

hosts          the operator's list, its tokens, and one conversation with one repository
named          which URL a remote of a repository has
advertisement  the refs that a host says it has, read and written
front          where git believes the host to be: on loopback, for one call, with nothing to reach but one repository
git            git's own part, pointed at a front
fetching       what a host has, into `refs/remotes`
leaving        what a push would hand over, and the keys in it
pushing        one branch, to the same name
cloning        a new folder
files          the files of a clone
"""
