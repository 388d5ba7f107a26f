"""Billing: usage is metered from served events, rated by a plan, and stated for each tenant and month.

A statement that is made again counts the late events, too; issuing it as an invoice that never changes is later work.
"""

from analytics_dagster.billing.metering import MonthOfUsage, months_with_data
from analytics_dagster.billing.plans import PLANS_FILE, Plan, Plans, load_plans
from analytics_dagster.billing.rating import Line, rate
from analytics_dagster.billing.report import BillingReport, bill, render
from analytics_dagster.billing.statements import HeldMonthError, Statement, statement, store

__all__ = [
    "PLANS_FILE",
    "BillingReport",
    "HeldMonthError",
    "Line",
    "MonthOfUsage",
    "Plan",
    "Plans",
    "Statement",
    "bill",
    "load_plans",
    "months_with_data",
    "rate",
    "render",
    "statement",
    "store",
]
