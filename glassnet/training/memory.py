"""Keeps memory that a step gives back, for the next step to use. Knows the system's allocator, nothing of nets."""

from __future__ import annotations

import ctypes
import os
import sys

TRIM_THRESHOLD, TOP_PAD, MMAP_MAX = -1, -2, -4  # malloc.h
MIB = 1 << 20


def keep_memory() -> bool:
    """Tells glibc to keep freed blocks, rather than hand their pages back and fetch them anew at each step.

    A convolutional net's step frees and takes the same large blocks; without this, thousands of page faults a step are
    a quarter of its time. For this process only, Linux with glibc only; GLASSNET_KEEP_MEMORY=0 leaves it as it is.
    Returns whether it was done. mallopt(3).
    """
    if sys.platform != "linux" or os.environ.get("GLASSNET_KEEP_MEMORY") == "0":
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return False  # another C library
    wanted = ((MMAP_MAX, 0), (TRIM_THRESHOLD, 2047 * MIB), (TOP_PAD, 64 * MIB))
    taken = [mallopt(name, size) == 1 for name, size in wanted]
    return all(taken)
