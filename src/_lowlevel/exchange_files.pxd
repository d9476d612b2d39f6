# cython: language_level=3
"""Handlers called and answered: see exchange.pxd."""

from fusetree._lowlevel.exchange cimport Exchange

cdef void enter_files(Exchange *table, bint checks)
