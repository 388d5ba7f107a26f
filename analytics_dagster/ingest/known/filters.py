"""A Bloom filter over 64-bit hashes: says "certainly new" of nearly all new ones, and never of a known one.

Two bytes for each hash, four bits of them set: of a thousand new ones it takes two or three for known.
"""

from collections.abc import Iterator
from typing import Any, Self

import numpy as np

from analytics_dagster.ingest.known.identity import Hashes, Mask

BITS_FOR_EACH = 16
PROBES = 4
SMALLEST = 64
PIECE_BYTES = 1 << 20

Bytes = np.ndarray[Any, np.dtype[np.uint8]]


class Filter:
    def __init__(self, bits: Bytes) -> None:
        self._bits = bits
        self._size = np.uint64(len(bits) * 8)

    @classmethod
    def sized_for(cls, hashes: int) -> Self:
        return cls(np.zeros(max(hashes * BITS_FOR_EACH // 8, SMALLEST), dtype=np.uint8))

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

    def pieces(self) -> Iterator[bytes]:
        for start in range(0, len(self._bits), PIECE_BYTES):
            yield self._bits[start : start + PIECE_BYTES].tobytes()

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
        """Double hashing: both halves of the hash, mixed anew for each probe."""
        low, high = hashes & np.uint64(0xFFFFFFFF), hashes >> np.uint64(32)
        bit = (low + np.uint64(probe) * (high | np.uint64(1))) * np.uint64(0x9E3779B97F4A7C15)
        bit = (bit >> np.uint64(32)) * self._size >> np.uint64(32)
        return (bit >> np.uint64(3)).astype(np.intp), np.uint8(1) << (bit & np.uint64(7)).astype(np.uint8)
