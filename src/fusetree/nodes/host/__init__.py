"""A directory of the host as a tree of nodes.

====================  ======================================================================
``calls``             system calls that Python does not have, or not for one thread
``descriptors``       descriptors that are closed with the last reference
``acting``            with the caller's rights
``inodes``            one file of the host: how it is found again, and how many are held
``tree``              what all nodes of one host directory share
``member``            what all of them have in common
``opened``            what is open of a file; ``locking`` its locks
``file, special``     `HostFile`; links and special files
``names``             what programs do to names
``directory``         `HostDir`
====================  ======================================================================
"""

from fusetree.nodes.host.directory import HostDir as HostDir
from fusetree.nodes.host.file import HostFile as HostFile

__all__ = ["HostDir", "HostFile"]
