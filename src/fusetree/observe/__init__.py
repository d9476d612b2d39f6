"""What a mounted tree tells of its work: `fusetree stats`, and whoever reads the same.

    documents   the extended attribute that the root of each mounted tree has: a JSON document

It costs nothing while nobody asks: the core counts what it answers by itself, and times handlers only for a
minute after each question. There is no socket and no thread: the question is a getxattr(2) on the mountpoint,
so whoever may look into a mount may ask it, also from another mount namespace, and nobody else.
"""

from fusetree.observe.documents import KEEP_ON, STATISTICS_XATTR, statistics_document

__all__ = ["KEEP_ON", "STATISTICS_XATTR", "statistics_document"]
