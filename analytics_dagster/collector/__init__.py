"""The HTTP collector: events posted by browsers and servers become durable landing files.

Answered with 200 means on the disk. Judging events is the loader's work; here they are only let in, by whose
key they come with, as fast as the disk takes them.
"""

from analytics_dagster.collector.keys import KeyInfo, create_key, list_keys, revoke_key
from analytics_dagster.collector.landing_files import LandingFiles, recover

__all__ = ["KeyInfo", "LandingFiles", "create_key", "list_keys", "recover", "revoke_key"]
