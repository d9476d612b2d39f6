# cython: language_level=3
"""Runs generators whose yields are results of calls, at the cost of a call.

A generator of *steps* yields what a call returned, and gets it back.  If it is a coroutine the rest cannot be
run here: whoever made the :class:`Stepper` says what becomes of it.
"""

from functools import update_wrapper
from types import CoroutineType

from cpython.ref cimport Py_XDECREF, PyObject

cdef extern from *:
    """
    /* PyIter_Send (Python 3.10): 1 returned, 0 yielded, -1 raised. */
    static inline int ft_send(PyObject *steps, PyObject *value, PyObject **result)
    {
        PySendResult status = PyIter_Send(steps, value, result);
        return status == PYGEN_RETURN ? 1 : status == PYGEN_NEXT ? 0 : -1;
    }
    """
    int ft_send(object steps, object value, PyObject **result) except -1

cdef object coroutine_type = CoroutineType


cdef class Stepper:
    """Runs steps to their end, or to the first coroutine.

    :param rest: called with the steps and that coroutine; what it returns is the result.
    """

    cdef object rest

    def __init__(self, rest):
        self.rest = rest

    def __call__(self, steps):
        """The result of *steps*."""
        return self.run(steps)

    cdef object run(self, object steps):
        cdef PyObject *out
        cdef int returned
        cdef object value = None
        while True:
            out = NULL
            returned = ft_send(steps, value, &out)
            value = <object>out
            Py_XDECREF(out)                 # the reference that we were given; `value` has its own
            if returned:
                return value
            if type(value) is coroutine_type:
                return self.rest(steps, value)

    def handler(self, function):
        """Make a function whose result is that of the steps which *function* returns."""
        def handle(*arguments):
            return self.run(function(*arguments))

        return update_wrapper(handle, function)
