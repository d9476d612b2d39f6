# cython: language_level=3
"""Whether a message of the FUSE protocol holds what its operation needs.

libfuse trusts what it reads, as it may: a kernel wrote it.  On a socket anybody may have written it, so
lengths inside a message, and the ends of names, are looked at before libfuse is (layouts: linux/fuse.h).
"""

cdef extern from * nogil:
    """
    #include <stddef.h>
    #include <stdint.h>
    #include <string.h>

    enum { FT_HEADER = 40, FT_NO_SUCH_OPCODE = 0xFFFF };

    /* What follows the header: a structure of so many bytes, so many names ended by NUL, and data whose
    length is
       the 32-bit number at `length_at` times `unit` (unit 0: none). */
    struct ft_shape { uint8_t fixed, names, length_at, unit; };
    static const struct ft_shape ft_shapes[] = {
        [1] = { 0, 1 }, [2] = { 8 }, [3] = { 16 }, [4] = { 88 }, [5] = { 0 }, [6] = { 0, 2 }, [8] = { 16, 1 },
        [9] = { 8, 1 }, [10] = { 0, 1 }, [11] = { 0, 1 }, [12] = { 8, 2 }, [13] = { 8, 1 }, [14] = { 8 },
        [15] = { 40 }, [16] = { 40, 0, 16, 1 }, [17] = { 0 }, [18] = { 24 }, [20] = { 16 },
        [21] = { 8, 1, 0, 1 }, [22] = { 8, 1 }, [23] = { 8 }, [24] = { 0, 1 }, [25] = { 24 }, [26] = { 16 },
        [27] = { 8 }, [28] = { 40 }, [29] = { 24 }, [30] = { 16 }, [31] = { 48 }, [32] = { 48 }, [33] = { 48
        },
        [34] = { 8 }, [35] = { 16, 1 }, [36] = { 8 }, [37] = { 16 }, [38] = { 0 }, [39] = { 32, 0, 24, 1 },
        [40] = { 24 }, [41] = { 40, 0, 16, 1 }, [42] = { 8, 0, 0, 16 }, [43] = { 32 }, [44] = { 40 },
        [45] = { 16, 2 }, [46] = { 24 }, [47] = { 56 }, [50] = { 8 }, [51] = { 16 }, [52] = { 24 }, [53] = {
        56 },
    };

    static int ft_judge(const char *frame, size_t size, int setxattr_ext)
    {
        uint32_t opcode, count;
        size_t left, fixed;
        const char *at = frame + FT_HEADER;
        const struct ft_shape *shape;
        if (size < FT_HEADER) return 1;
        memcpy(&opcode, frame + 4, sizeof opcode);
        if (opcode >= sizeof ft_shapes / sizeof ft_shapes[0])
            return 0;                                /* libfuse knows none of them: ENOSYS */
        shape = &ft_shapes[opcode];
        fixed = shape->fixed + (opcode == 21 && setxattr_ext ? 8u : 0u);
        left = size - FT_HEADER;
        if (left < fixed) goto malformed;
        at += fixed;
        left -= fixed;
        for (int i = 0; i < shape->names; i++) {
            const char *end = memchr(at, 0, left);
            if (!end) goto malformed;
            left -= (size_t)(end + 1 - at);
            at = end + 1;
        }
        if (shape->unit) {
            memcpy(&count, frame + FT_HEADER + shape->length_at, sizeof count);
            if (count > left / shape->unit) goto malformed;
        }
        return 0;
    malformed:
        return opcode == 2 || opcode == 36 || opcode == 41 || opcode == 42 ? 2 : 1;
    }

    static void ft_disarm(char *frame)
    {
        uint32_t opcode = FT_NO_SUCH_OPCODE;
        memcpy(frame + 4, &opcode, sizeof opcode);
    }
    """
    int ft_judge(const char *frame, size_t size, int setxattr_ext)
    void ft_disarm(char *frame)


cdef Verdict judge(const void *frame, size_t size, bint setxattr_ext) noexcept nogil:
    return <Verdict>ft_judge(<const char *>frame, size, setxattr_ext)


cdef void disarm(void *frame) noexcept nogil:
    ft_disarm(<char *>frame)
