# cython: language_level=3
"""Ending a blocked read(2) of the FUSE device: a signal to the one thread that reads.

Nothing else does it: closing the descriptor leaves the read blocked, unmounting too while files are open, and
a notification makes no request. The signal is a real-time one that nobody in this process handles when it is
first needed (searched downwards from SIGRTMAX); its handler does nothing, and is installed without
SA_RESTART, so that read(2) fails with EINTR (signal(7)).

A signal that arrives just before the read begins is lost: who waits for the thread to end sends it again
until it has ended.
"""


cdef extern from *:
    """
    #define _GNU_SOURCE 1
    #include <pthread.h>
    #include <signal.h>
    #include <string.h>
    #include <sys/syscall.h>
    #include <unistd.h>
    static int ft_wake_signal;                       /* 0: not chosen yet; set under ft_wake_lock */
    static pthread_mutex_t ft_wake_lock = PTHREAD_MUTEX_INITIALIZER;
    static void ft_wake_handler(int number) { (void)number; }
    static int ft_choose_wake_signal(void)
    {
        int chosen = 0;
        pthread_mutex_lock(&ft_wake_lock);
        for (int number = SIGRTMAX; !ft_wake_signal && number > SIGRTMIN; number--) {
            struct sigaction action;
            if (sigaction(number, NULL, &action) || (action.sa_flags & SA_SIGINFO) || action.sa_handler !=
            SIG_DFL)
                continue;
            memset(&action, 0, sizeof action);
            action.sa_handler = ft_wake_handler;
            if (!sigaction(number, &action, NULL))
                ft_wake_signal = number;
        }
        chosen = ft_wake_signal;
        pthread_mutex_unlock(&ft_wake_lock);
        return chosen;
    }
    static int ft_wake(int thread_id) { return (int)syscall(SYS_tgkill, getpid(), thread_id,
    ft_choose_wake_signal()); }
    /* Asked once for each thread: it is needed for every request. A forked child has no thread that reads. */
    static _Thread_local int ft_own_id;
    static int ft_thread_id(void) { return ft_own_id ? ft_own_id : (ft_own_id = (int)syscall(SYS_gettid)); }
    """
    int ft_choose_wake_signal() nogil
    int ft_wake(int thread_id) nogil
    int ft_thread_id() nogil


def wake_signal() -> int:
    """Number of the signal that :func:`wake` sends; threads that may be woken must not block it.

    :raises OSError: the program handles every real-time signal by itself.
    """
    cdef int number = ft_choose_wake_signal()
    if number == 0:
        raise OSError(16, "no real-time signal is free to wake a reader of the FUSE device with")
    return number


cdef int wake(int thread_id) noexcept nogil:
    """Interrupt the system call that the thread with the kernel's id *thread_id* waits in; negative when
    there is no such thread."""
    return ft_wake(thread_id)


cdef int thread_id() noexcept nogil:
    """The kernel's id of this thread."""
    return ft_thread_id()
