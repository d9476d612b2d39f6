"""Where a tree of nodes meets the kernel: `NodeOperations` serves a tree through the low-level API.

Python is asked about a node once: the answer is published into the inode table of the core, which gives it
from then on without the GIL, until the node changes. What is made anew at each open (computed files,
documents) is asked for each time.

    node_operations   the whole: handlers over one tree, and its end
    tree              what all handlers share: the table, first touch, paths
    namespace         lookup, and making, moving and removing names from the kernel's side
    nameless          files without a name (O_TMPFILE)
    editing           rename onto and away from the entries of an `EditableDir`
    inodes            getattr, setattr, readlink, access, statfs
    xattrs            extended attributes
    files             open, create's open, read, write, flush, release
    watches           poll on files of values
    ranges            fallocate, lseek, copy_file_range, ioctl, poll
    directories       opendir, readdir
    handles           what an open file that is written to remembers
    generated         what is open of a file whose content is made as it is read
    own               what is open of a file whose class answers by itself
    backing           what the kernel reads and writes by itself
    listings          what is open of a directory whose class lists by itself
    entries           from a node to its attributes
    names             text in the tree, bytes to the kernel
    kinds             what a class of nodes can do, looked up once
    locks             fcntl(2) and flock(2), where the kernel does not keep them
    locktable         who holds and who waits for what
    steps             handlers that go on as a coroutine where the program's method is one
    turns             requests of one open file that must not overtake each other
    usercode          calling the program's code, and what its exceptions mean
    caching           telling the kernel of changes, and waiting until it knows
    announcements     what watchers (inotify) are to hear of
    announced         what a mount does on itself so that they do
"""

from fusetree.adapter.announced import AnnouncedOperations as AnnouncedOperations
from fusetree.adapter.caching import CacheStatistics as CacheStatistics, serving_loop as serving_loop
from fusetree.adapter.node_operations import NodeOperations as NodeOperations
from fusetree.lowlevel import context
from fusetree.nodes.callers import tell_callers_by

__all__ = ["AnnouncedOperations", "CacheStatistics", "NodeOperations", "serving_loop"]

tell_callers_by(context)
