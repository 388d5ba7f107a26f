"""What the name of a file says about it: `<any>[.<format>].<container>[.<compression>]`.

Nothing is guessed from the content: a file means the same on every reading, and to a person who lists the folder.
"""

from dataclasses import dataclass
from enum import StrEnum

from analytics_dagster.errors import AnalyticsError
from analytics_dagster.formats import FORMATS, NATIVE


class Container(StrEnum):
    NDJSON = "ndjson"
    JSON = "json"
    CSV = "csv"
    PARQUET = "parquet"


class Compression(StrEnum):
    NONE = ""
    GZIP = "gz"
    ZSTD = "zst"


CONTAINERS = {container.value: container for container in Container} | {"jsonl": Container.NDJSON}
COLUMNS_ONLY = {Container.CSV, Container.PARQUET}  # their columns are the contract's fields
KNOWN_ENDINGS = ".ndjson, .jsonl, .json or .csv, each also with .gz or .zst, or .parquet"


class UnknownNameError(AnalyticsError):
    """A name that says nothing, or what cannot be."""


@dataclass(frozen=True)
class Naming:
    format: str
    container: Container
    compression: Compression

    def __post_init__(self) -> None:
        if self.container in COLUMNS_ONLY and self.format != NATIVE.name:
            raise UnknownNameError(f"{self.format} comes as .ndjson or .json, not as .{self.container}")
        if self.container is Container.PARQUET and self.compression:
            raise UnknownNameError(f"Parquet is compressed inside: take .{self.compression} from its name")

    @property
    def ending(self) -> str:
        told = [] if self.format == NATIVE.name else [self.format]
        return "".join(f".{part}" for part in [*told, self.container, self.compression] if part)


def naming_of(name: str) -> Naming:
    stem, compression = without_compression(name)
    stem, dot, ending = stem.rpartition(".")
    if not dot or ending.lower() not in CONTAINERS:
        raise UnknownNameError(f"name it as what it is, {KNOWN_ENDINGS}")
    told = stem.rpartition(".")[2].lower() if "." in stem else ""
    return Naming(told if told in FORMATS else NATIVE.name, CONTAINERS[ending.lower()], compression)


def stem_of(name: str) -> str:
    """What is left of a name without what it says."""
    stem, _ = without_compression(name)
    for known in (CONTAINERS, FORMATS):
        rest, dot, last = stem.rpartition(".")
        if dot and last.lower() in known:
            stem = rest
    return stem


def without_compression(name: str) -> tuple[str, Compression]:
    stem, _, last = name.rpartition(".")
    for compression in (Compression.GZIP, Compression.ZSTD):
        if last.lower() == compression:
            return stem, compression
    return name, Compression.NONE
