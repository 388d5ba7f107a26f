"""A Bloom filter over 64-bit hashes: says "certainly new" of nearly all new ones, and never of a known one.

Two bytes for each hash, four bits of them set: of a thousand new ones it takes two or three for known.
"""

from typing import Any, Self

import numpy as np

from analytics_dagster.ingest.known.identity import Hashes, Mask

BITS_FOR_EACH = 16
PROBES = 4
REGION_BITS = 6  # hashes that begin alike have their bits side by side, so that a filter can be made part by part
SMALLEST = 1 << REGION_BITS

Bytes = np.ndarray[Any, np.dtype[np.uint8]]


def bytes_for(hashes: int) -> int:
    return -(-hashes * BITS_FOR_EACH // 8 // SMALLEST) * SMALLEST or SMALLEST


class Filter:
    """Or a part of one: one of `parts` of equal size, for the hashes that begin with its number."""

    def __init__(self, bits: Bytes, number: int = 0, parts: int = 1) -> None:
        self._bits = bits
        self._first_bit = np.uint64(number * len(bits) * 8)
        self._region = np.uint64(len(bits) * parts * 8 >> REGION_BITS)

    @classmethod
    def sized_for(cls, hashes: int, number: int = 0, parts: int = 1) -> Self:
        """For so many hashes in all of its parts."""
        return cls(np.zeros(bytes_for(hashes) // parts, dtype=np.uint8), number, parts)

    @classmethod
    def of(cls, hashes: Hashes) -> Self:
        made = cls.sized_for(len(hashes))
        made.add(hashes)
        return made

    @classmethod
    def full(cls) -> Self:
        """Takes everything for known."""
        return cls(np.full(SMALLEST, 0xFF, dtype=np.uint8))

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        return cls(np.frombuffer(data, dtype=np.uint8))

    def __bytes__(self) -> bytes:
        return self._bits.tobytes()

    def add(self, hashes: Hashes) -> None:
        for probe in range(PROBES):
            places, bits = self._place(hashes, probe)
            np.bitwise_or.at(self._bits, places, bits)

    def maybe(self, hashes: Hashes) -> Mask:
        """False: certainly not in it."""
        left = np.arange(len(hashes))
        for probe in range(PROBES):
            places, bits = self._place(hashes[left], probe)
            left = left[(self._bits[places] & bits) != 0]
        mask = np.zeros(len(hashes), dtype=bool)
        mask[left] = True
        return mask

    def _place(self, hashes: Hashes, probe: int) -> tuple["np.ndarray[Any, np.dtype[np.intp]]", Bytes]:
        """Double hashing: both halves of the hash, mixed anew for each probe, within the region of its first bits."""
        low, high = hashes & np.uint64(0xFFFFFFFF), hashes >> np.uint64(32)
        bit = (low + np.uint64(probe) * (high | np.uint64(1))) * np.uint64(0x9E3779B97F4A7C15)
        bit = (bit >> np.uint64(32)) * self._region >> np.uint64(32)
        bit += (hashes >> np.uint64(64 - REGION_BITS)) * self._region - self._first_bit
        return (bit >> np.uint64(3)).astype(np.intp), np.uint8(1) << (bit & np.uint64(7)).astype(np.uint8)
