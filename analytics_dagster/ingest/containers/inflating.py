"""The bytes of a file, a piece at a time, as they were before somebody compressed them."""

import gzip
import zlib
from collections.abc import Iterator
from typing import BinaryIO

import pyarrow as pa

from analytics_dagster.ingest.blocks import Damage, Flaw
from analytics_dagster.ingest.naming import Compression

PIECE_BYTES = 1 << 18  # small enough for a processor's cache and for memory that is used again and again
# Arrow loses what it has inflated of the piece in which a file breaks off; pieces this small cost nothing
ZSTD_PIECE_BYTES = 1 << 10
BYTE_ORDER_MARK = b"\xef\xbb\xbf"


def inflated(source: BinaryIO, compression: Compression, damage: Damage) -> Iterator[bytes]:
    match compression:
        case Compression.GZIP:
            yield from _gzip(source, damage)
        case Compression.ZSTD:
            yield from _zstd(source, damage)
        case _:
            while piece := source.read(PIECE_BYTES):
                yield piece


def _gzip(source: BinaryIO, damage: Damage) -> Iterator[bytes]:
    produced = False
    try:
        with gzip.GzipFile(fileobj=source, mode="rb") as file:
            # read1 hands over all that came before a break; read would drop the last piece
            while piece := file.read1(PIECE_BYTES):
                produced = True
                yield piece
    except EOFError:
        damage.flaw = _truncated("gzip")
    except (gzip.BadGzipFile, zlib.error):
        damage.flaw = _corrupt("gzip") if produced else _something_else("gzip", Compression.GZIP)


def _zstd(source: BinaryIO, damage: Damage) -> Iterator[bytes]:
    produced = False
    waiting = bytearray()
    with pa.CompressedInputStream(pa.PythonFile(source, mode="r"), "zstd") as file:
        try:
            while piece := file.read(ZSTD_PIECE_BYTES):
                waiting += piece
                produced = True
                if len(waiting) >= PIECE_BYTES:
                    yield bytes(waiting)
                    waiting.clear()
        except OSError as error:
            if error.errno is not None:  # the disk's, not the decompressor's
                raise
            if "Truncated" in str(error):
                damage.flaw = _truncated("zstd")
            else:
                damage.flaw = _corrupt("zstd") if produced else _something_else("zstd", Compression.ZSTD)
    if waiting:
        yield bytes(waiting)


def _truncated(what: str) -> Flaw:
    return Flaw(
        f"truncated_{what}", "breaks off in the middle; what is whole before that is loaded: send it again, complete"
    )


def _corrupt(what: str) -> Flaw:
    return Flaw(f"corrupt_{what}", "is damaged; what comes before the damage is loaded: send it again")


def _something_else(what: str, compression: Compression) -> Flaw:
    return Flaw(f"not_{what}", f"is no {what} file: take .{compression} from its name, or compress it")


def without_byte_order_mark(pieces: Iterator[bytes]) -> Iterator[bytes]:
    beginning = b""
    for piece in pieces:
        beginning += piece
        if len(beginning) >= len(BYTE_ORDER_MARK):
            yield beginning.removeprefix(BYTE_ORDER_MARK)
            yield from pieces
            return
    yield beginning
