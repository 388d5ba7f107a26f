"""The parameters of the embedded PostgreSQL that differ from its defaults, each with its reason.

They are written anew at each start; what a person sets with `alter system` comes after them and wins.
"""

from collections.abc import Mapping

LAPTOP: tuple[tuple[str, str, str], ...] = (
    # memory: the whole pipeline has 1.5 GB
    ("shared_buffers", "128MB", "holds the hot tables of some million events; the system's cache holds the rest"),
    ("effective_cache_size", "1GB", "4 GB is not there beside Dagster and a browser; a wrong guess picks wrong plans"),
    ("work_mem", "16MB", "the sorts and hashes of dbt's models stay in memory; few queries run at once"),
    ("maintenance_work_mem", "128MB", "indexes are built in one pass after a bulk load"),
    ("autovacuum_work_mem", "32MB", "it would take maintenance_work_mem for each worker"),
    ("max_worker_processes", "4", "two cores: more workers only take memory"),
    ("max_parallel_workers", "2", "as above"),
    ("max_parallel_workers_per_gather", "1", "the leader works too: two processes for two cores"),
    ("autovacuum_worker_slots", "4", "as above; each slot costs shared memory"),
    ("autovacuum_max_workers", "2", "as above"),
    # writing
    ("wal_level", "minimal", "no replicas here; a table made and filled in one transaction skips the log"),
    ("max_wal_senders", "0", "minimal asks for it"),
    ("checkpoint_timeout", "15min", "a page's first change after a checkpoint is logged whole; fewer are logged so"),
    ("wal_compression", "on", "pages logged whole shrink to a third"),
    ("synchronous_commit", "on", "not off: what was shown as done, or sent, must be there after a power loss"),
    # planning
    ("random_page_cost", "1.1", "solid-state disks: a random page costs about as much as the next one"),
    ("jit", "off", "compiling takes longer than the short queries of a day's load"),
    # killed processes
    ("client_connection_check_interval", "2s", "the query of a killed client ends, and with it its locks"),
    ("autovacuum_naptime", "15s", "models delete and insert whole days: space and statistics follow soon"),
    # the log: it is kept outside of any erasure, so no value of a row may come into it
    ("log_min_error_statement", "panic", "the text of a failed statement holds values of rows"),
    ("log_error_verbosity", "terse", "DETAIL lines hold the keys of rows"),
    ("log_checkpoints", "off", "a line every few minutes hides the lines that matter"),
    ("log_line_prefix", "%m [%p] %q%u@%d %a ", "when, and whose connection"),
    ("timezone", "UTC", "the same wherever the machine is"),
    ("log_timezone", "UTC", "as above"),
    ("lc_messages", "C", "messages that can be looked up"),
    ("default_text_search_config", "pg_catalog.english", "as initdb would write"),
)  # fmt: skip

# For servers that are thrown away, such as those of tests: a power loss may cost everything, a killed process nothing
# (that would be synchronous_commit off).
FORGETFUL: tuple[tuple[str, str, str], ...] = (
    ("fsync", "off", "the data is thrown away"),
    ("full_page_writes", "off", "as above"),
)


def configuration(*, durable: bool = True, overrides: Mapping[str, str] | None = None) -> str:
    """The text of the configuration file."""
    given = tuple((name, value, "asked for by the caller") for name, value in (overrides or {}).items())
    chosen = {name: (value, why) for name, value, why in (*LAPTOP, *(() if durable else FORGETFUL), *given)}
    lines = ["# Written anew at each start: use `alter system set ...` to change something."]
    for name, (value, why) in chosen.items():
        lines.append(f"{name} = '{value.replace(chr(39), chr(39) * 2)}'  # {why}")
    return "\n".join(lines) + "\n"
