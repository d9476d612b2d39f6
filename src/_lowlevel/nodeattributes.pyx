# cython: language_level=3
"""NodeAttributes: what a coherent answer about a node is made of, and that it is pinned meanwhile."""

cimport cython

from fusetree._lowlevel.libfuse.pthread cimport pthread_mutex_lock, pthread_mutex_unlock
from fusetree._lowlevel.table cimport locked_unpin


@cython.no_gc
cdef class NodeAttributes(EntryAttributes):
    """Attributes of a node, made by :meth:`InodeTable.begin`; returned from a handler they make a coherent
    answer.

    ``st_ino`` is the number that stat(2) shows and says nothing of identity: that is ``node_id``.  While the
    object lives the node keeps its node id.  With ``publish`` (the default) the reply stores the attributes,
    later requests are answered without Python until the node changes, or for ``ttl`` seconds (``math.inf``
    unless set), and the table's timeouts go out, or what is left of ``ttl``; without, nothing is stored and
    the object's own ``entry_timeout`` and ``attr_timeout`` (seconds) go out.
    If the node changed since ``begin`` the attributes go out with a timeout of 0 and are not stored.
    """

    def __init__(self):
        raise TypeError("NodeAttributes are made by InodeTable.begin()")

    def __dealloc__(self):
        if self.c_pinned != NULL:
            pthread_mutex_lock(&self.c_table.lock)
            locked_unpin(self.c_table, self.c_pinned)
            pthread_mutex_unlock(&self.c_table.lock)

    @property
    def st_ino(self) -> int:
        """Inode number, as stat(2) shows it."""
        return self.c_entry.attr.st_ino

    @st_ino.setter
    def st_ino(self, value: int) -> None:
        self.c_entry.attr.st_ino = value

    def __reduce__(self):
        raise TypeError("NodeAttributes belong to one inode table and can not be pickled or copied")

    def __repr__(self) -> str:
        return (
            f"<NodeAttributes node_id={self.node_id} change={self.change} ino={self.st_ino} "
            f"mode=0o{self.st_mode:o}>"
        )
