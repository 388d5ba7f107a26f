"""What goes wrong in the real world, on purpose and counted: how each kind of broken line looks.

Pure functions from a sound event to a spoilt one. When and where they strike is decided in `tenant_run`.
"""

from enum import StrEnum
from random import Random

from analytics_dagster.sample.lines import Wire, line


class Fault(StrEnum):
    MALFORMED = "malformed"
    WRONG_TYPE = "wrong_type"
    UNKNOWN_TENANT = "unknown_tenant"
    TENANT_MISMATCH = "tenant_mismatch"
    DUPLICATE_SAME_DAY = "duplicate_same_day"
    DUPLICATE_ACROSS_DAYS = "duplicate_across_days"
    LATE = "late"
    TEST = "test"


# The turn in which they strike; the other kinds come from elsewhere (offline devices, the ghost tenant).
DRAWN = (
    Fault.DUPLICATE_SAME_DAY,
    Fault.MALFORMED,
    Fault.TEST,
    Fault.DUPLICATE_ACROSS_DAYS,
    Fault.WRONG_TYPE,
    Fault.TEST,
    Fault.TENANT_MISMATCH,
)

# Each breaks the contract in one place: (where, what stands there instead); None takes the key away.
_WRONG_IN_METADATA = (
    ("timestamp", "yesterday"),
    ("is_test", "no"),
    ("source", "telepathy"),
    ("timestamp", "2025-13-45T25:00:00Z"),
)
_WRONG_IN_EVENT = (
    ("event_name", 42),
    ("properties", "plan=solo"),
    ("event_type", "user_actoin"),
    ("metadata", None),
    ("event_name", "Track Played"),
)
WRONG_WAYS = len(_WRONG_IN_METADATA) + len(_WRONG_IN_EVENT)


def renewed(event: Wire, event_id: str, **metadata: object) -> Wire:
    """The same event under an id of its own, so that it is no duplicate."""
    return {**event, "metadata": {**event["metadata"], "event_id": event_id, **metadata}}


def malformed(event: Wire, rng: Random) -> bytes:
    whole = line(event)
    way = rng.randrange(3)
    if way == 0:  # the writer died in the middle of the line
        return whole[: rng.randrange(60, len(whole) - 3)] + b"\n"
    if way == 1:
        return f"ERROR upload worker {rng.getrandbits(32):08x}: connection reset by peer\n".encode()
    return b"[" + whole[:-1] + b"]\n"


def wrong_type(event: Wire, way: int) -> bytes:
    way %= WRONG_WAYS
    if way < len(_WRONG_IN_METADATA):
        key, value = _WRONG_IN_METADATA[way]
        return line({**event, "metadata": {**event["metadata"], key: value}})
    place, instead = _WRONG_IN_EVENT[way - len(_WRONG_IN_METADATA)]
    kept = {name: part for name, part in event.items() if name != place}
    return line(kept if instead is None else {**kept, place: instead})


def broken_release(event: Wire, *, nameless: bool) -> Wire:
    """Valid by the contract and nonsense all the same: nobody did it, and it cost a hundred times as much."""
    metadata, told = event["metadata"], event["properties"]
    if nameless:
        metadata = {name: part for name, part in metadata.items() if name not in {"user_id", "anonymous_id"}}
    if "amount" in told:
        told = {**told, "amount": str(told["amount"]).replace(".", "") + ".00"}
    return {**event, "metadata": metadata, "properties": told}
