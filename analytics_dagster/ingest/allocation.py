"""What a load frees goes back to the system, or is used again: its peak memory does not grow with its length.

Left to itself, glibc raises the size from which a block is returned at once up to 32 MB, by what is freed; a load frees
buffers of some megabytes all the time, in several threads, and each thread's arena would keep its own. With limits far
below these, each buffer would be new memory that the kernel has to clear: a tenth of a load's time.
"""

import ctypes
from functools import cache

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # of glibc's malloc.h
MEGABYTE = 1 << 20


@cache  # once for a process
def give_back_freed_memory() -> None:
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:  # other allocators do as they do
        mallopt(M_TRIM_THRESHOLD, 32 * MEGABYTE)
        mallopt(M_MMAP_THRESHOLD, 16 * MEGABYTE)
