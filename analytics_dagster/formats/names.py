"""Names of events as other worlds write them -> the contract's: snake case, plain letters."""

import re
import unicodedata
from functools import lru_cache

from analytics_dagster.schemas.base import EVENT_NAME_PATTERN

_NAME = re.compile(EVENT_NAME_PATTERN)


@lru_cache(maxsize=4096)
def event_name_of(name: str) -> str:
    """`Order Completed` -> `order_completed`; a name that has no such form stays, and quarantine shows it."""
    plain = "".join(c for c in unicodedata.normalize("NFKD", name.strip()) if not unicodedata.combining(c))
    if not plain.isascii():
        return name
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", plain)
    slug = re.sub(r"[^a-z0-9]+", "_", words.lower()).strip("_")
    return slug if _NAME.fullmatch(slug) else name
