"""Dagster declarations, and nothing else: assets, checks, jobs, schedules, sensors, resources.

An asset's body reads, calls one function of its domain and returns metadata. What decides about data
belongs to a domain package; what only queries data belongs to dbt.
"""

import warnings

import dagster as dg

# backfill_policy and one partition mapping are beta, partitions of a check are a preview; dagster is pinned by the
# lock, and the tests run them
warnings.filterwarnings("ignore", category=dg.BetaWarning)
warnings.filterwarnings("ignore", category=dg.PreviewWarning)
