"""How many lines of each file and tenant are longer than the tenant's limit for an event.

A pure function over what the check knows already. A line that is too long for its tenant is accepted: the
count goes into the books, and marking it is the registry's affair.
"""

from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

Lengths = npt.NDArray[np.integer[Any]]


def oversized(accepted: pa.Table, lengths: Lengths, limits: Mapping[str, int]) -> Counter[tuple[int, str]]:
    """Counts by (batch_id, tenant_id); `lengths` belong to the rows of `accepted`, in bytes."""
    smallest = min(limits.values(), default=None)
    if smallest is None:
        return Counter()
    places = np.flatnonzero(lengths > smallest)
    if not places.size:
        return Counter()
    suspects = accepted.select(["batch_id", "tenant_id"]).take(pa.array(places)).to_pydict()
    return Counter(
        (batch_id, tenant_id)
        for batch_id, tenant_id, length in zip(
            suspects["batch_id"], suspects["tenant_id"], lengths[places].tolist(), strict=True
        )
        if length > limits.get(tenant_id, length)
    )
