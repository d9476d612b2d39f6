"""Row 1: libfuse3's low-level API in Cython, and nothing else.

One extension module per concept; a module's C-level interface is its .pxd, its Python-level interface its .pyi.
"""
