"""A checked chunk made ready for the warehouse: hashed, encoded, its order found.

Runs ahead of the writing, in threads of its own, so it asks the warehouse nothing.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

import numpy as np
import pyarrow as pa

from analytics_dagster.ingest.checking import Checked, Checker, Origin
from analytics_dagster.ingest.copying import copy_data
from analytics_dagster.ingest.known import Hashes, Mask, identities, repeated
from analytics_dagster.ingest.reading import Block

Places = np.ndarray[Any, np.dtype[np.int64]]


@dataclass(frozen=True)
class Prepared:
    encoded: pa.Array  # a row of the copy for each accepted line
    hashes: Hashes
    repeated: Mask  # another one before it, in this chunk, has its hash
    batch_ids: Places
    line_numbers: Places
    order: Places  # tenant, then time, as the indexes have it: the insertion is twice as fast
    _account: Places
    _accounts: list[tuple[int, str]]

    def in_order(self, chosen: Mask) -> pa.Array:
        return self.encoded.take(pa.array(self.order[chosen[self.order]]))

    def count(self, chosen: Mask) -> Counter[tuple[int, str]]:
        """How many of them each batch and tenant has."""
        counts = np.bincount(self._account[chosen], minlength=len(self._accounts)).tolist()
        return Counter({account: count for account, count in zip(self._accounts, counts, strict=True) if count})


def prepared(rows: pa.Table, key: str) -> Prepared:
    """`rows` have the columns of raw.events."""
    tenants = rows["tenant_id"].combine_chunks()
    hashes = identities(tenants, rows["event_id"].combine_chunks(), key)
    coded = tenants.dictionary_encode()
    code = coded.indices.to_numpy().astype(np.int64)
    batch_ids, line_numbers = rows["batch_id"].to_numpy(), rows["line_number"].to_numpy()
    batches, batch = np.unique(batch_ids, return_inverse=True)
    names = coded.dictionary.to_pylist()
    return Prepared(
        encoded=copy_data(rows),
        hashes=hashes,
        repeated=repeated(hashes),
        batch_ids=batch_ids,
        line_numbers=line_numbers,
        order=np.lexsort((rows["occurred_at"].cast(pa.int64()).to_numpy(), code)),
        _account=batch.astype(np.int64) * len(names) + code,
        _accounts=[(batch_id, tenant) for batch_id in batches.tolist() for tenant in names],
    )


class Preparer:
    """For any number of threads at once."""

    def __init__(self, checker: Checker, key: str, day: date) -> None:
        self._checker = checker
        self._key = key
        self._day = day

    def prepare(self, chunk: Iterable[tuple[Origin, Block]]) -> tuple[Checked, Prepared]:
        checked = self._checker.check(chunk)
        days = pa.array(np.full(checked.accepted.num_rows, self._day, "datetime64[D]"))
        ready = prepared(checked.accepted.append_column("load_day", days), self._key)
        # all of it is encoded now, and waiting chunks are most of a load's memory
        return replace(checked, accepted=checked.accepted.select(["tenant_id", "event_id"])), ready
