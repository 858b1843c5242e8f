"""Git without the repository's word: its configuration is never loaded, its hooks and filters never run.

layout         where a repository's parts lie, and that they lie beneath the session's roots
configuration  a repository's config read as text, for the few facts that are data
refs           HEAD, loose and packed refs, read without git
private        the own GIT_DIR that stands in for the repository's
child          one git process: clean environment, deadline, bounded output
waiting        git processes that answer one question after another
ahead          looks at what moves before somebody asks about it
kept           private GIT_DIRs that outlive a call, with those processes
repository     the three together: what tools read through
escapes        paths as text that leads back to them
objects        what is asked of those processes: names, trees, sizes, bytes
revisions      names and shas into full shas
changed        what git says of a path that changed
watch          which files may have changed since a look
standing       a status that stands as long as nothing happens
status         what changed, as git tells it
submodules     which commit the folder of a submodule has checked out, without git
gitlinks       the submodules that an index names, and how a git is asked about all else
logged         which commits match, and what each changed
blamed         which commit wrote each line of a file
patches        git's patch text, file by file and hunk by hunk
keys           obvious keys in text that is about to be committed
signing        a signature, by the operator's program
commits        a commit, built beside the repository
entries        entries of trees and indexes
hunks          a commit of chosen hunks
publish        the one place that writes into a repository: objects, one ref, the index
branches       a new branch, and moving to one
rewriting      a working tree from one commit's files to another's
recovery       what a step leaves behind, so that it can be undone
moving         a step that moves a branch or HEAD, and the files with it
merging        what a merge gives, computed beside the repository
linked         the folders of linked worktrees
worktrees      a run's own working tree, made from a commit and closed by one
checkouts      a branch in a folder of its own, for a host or a person
staging        the folder that becomes a clone, and goes where it doesn't
remote         repositories of other machines
"""
