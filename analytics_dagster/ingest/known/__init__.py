"""The memory of accepted events: what is known, at a cost that hardly grows with how much that is."""

from analytics_dagster.ingest.known.identity import Hashes, Mask, identities, repeated
from analytics_dagster.ingest.known.memory import Register, Sieve, rebuild, remember_history

__all__ = ["Hashes", "Mask", "Register", "Sieve", "identities", "rebuild", "remember_history", "repeated"]
