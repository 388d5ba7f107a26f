"""The simulated tenants, and the ledger of truth they come with."""

from analytics_dagster.sample.faults import Fault
from analytics_dagster.sample.intended import Intended
from analytics_dagster.sample.ledger import Account, Experiment, Kpi, Ledger, Usage, UserTruth, load_ledger
from analytics_dagster.sample.plan import SampleError, SamplePlan, SampleSummary
from analytics_dagster.sample.simulate import intended_events, simulate

__all__ = [
    "Account",
    "Experiment",
    "Fault",
    "Intended",
    "Kpi",
    "Ledger",
    "SampleError",
    "SamplePlan",
    "SampleSummary",
    "Usage",
    "UserTruth",
    "intended_events",
    "load_ledger",
    "simulate",
]
