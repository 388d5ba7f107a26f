"""Compliance: which columns hold personal data, and the monthly evidence of how a tenant's data was kept.

Evidence is read and stated here, never made better: what is missing or past its time is said so.
"""

from analytics_dagster.compliance.evidence import evidence
from analytics_dagster.compliance.findings import Finding, findings
from analytics_dagster.compliance.inventory import INVENTORY_FILE, Inventory, load_inventory, undeclared
from analytics_dagster.compliance.record import Evidence, RunRecord
from analytics_dagster.compliance.report import ComplianceReport, render, report

__all__ = [
    "INVENTORY_FILE",
    "ComplianceReport",
    "Evidence",
    "Finding",
    "Inventory",
    "RunRecord",
    "evidence",
    "findings",
    "load_inventory",
    "render",
    "report",
    "undeclared",
]
