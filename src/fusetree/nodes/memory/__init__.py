"""A writable POSIX tree in memory, made of nodes that any program could have written.

====================  ======================================================================
``space``             how much may be held; who takes it and gives it back
``pages``             the bytes of one file, page by page
``member``            what all nodes of such a tree have in common
``file``              `MemoryFile`
``directory``         `MemoryDir`, and the links and special files that it makes
====================  ======================================================================
"""

from fusetree.nodes.memory.directory import MemoryDir as MemoryDir
from fusetree.nodes.memory.file import MemoryFile as MemoryFile

__all__ = ["MemoryDir", "MemoryFile"]
