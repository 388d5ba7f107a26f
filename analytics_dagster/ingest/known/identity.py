"""What an event is known by: a keyed 64-bit hash of its tenant and its id.

The key is a secret of the warehouse, so that no tenant can make an id that meets one of another tenant's.
"""

from typing import Any

import numpy as np
import psycopg
import pyarrow as pa
import pyarrow.compute as pc
from pandas.util import hash_array

Hashes = np.ndarray[Any, np.dtype[np.uint64]]
Mask = np.ndarray[Any, np.dtype[np.bool_]]
NONE: Hashes = np.empty(0, dtype=np.uint64)
SEPARATOR = "/"  # no tenant's id has one


def hash_key(connection: psycopg.Connection) -> str:
    row = connection.execute("select hash_key from raw.known_key").fetchone()
    assert row is not None  # noqa: S101 - the migration makes its one row
    return str(row[0])


def repeated(hashes: Hashes) -> Mask:
    """The second and later ones of a hash."""
    mask = np.ones(len(hashes), dtype=bool)
    mask[np.unique(hashes, return_index=True)[1]] = False
    return mask


def identities(tenants: pa.Array, event_ids: pa.Array, key: str) -> Hashes:
    """SipHash, which pandas has for whole arrays; the key is 16 characters."""
    if len(tenants) == 0:
        return NONE
    whole = pc.binary_join_element_wise(tenants, event_ids, SEPARATOR)
    return hash_array(whole.to_numpy(zero_copy_only=False), encoding="utf8", hash_key=key, categorize=False)
