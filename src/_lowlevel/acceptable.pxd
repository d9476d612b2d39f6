# cython: language_level=3
"""What the kernel would refuse of an answer without a word: see acceptable.pyx."""

from fusetree._lowlevel.exchange cimport Exchange

cdef void enter_checks(Exchange *table)
