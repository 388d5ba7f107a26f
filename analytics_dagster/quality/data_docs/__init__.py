"""The Data Docs: what the gate found, as a static site for people. Pages tell what the tables hold and judge nothing.

Great Expectations' own load scripts from outside and know no tenants.
"""

from analytics_dagster.quality.data_docs.places import data_docs_url, run_page, suite_page, tenant_page
from analytics_dagster.quality.data_docs.writing import Written, write, write_all, write_for_run, write_for_tenants

__all__ = [
    "Written",
    "data_docs_url",
    "run_page",
    "suite_page",
    "tenant_page",
    "write",
    "write_all",
    "write_for_run",
    "write_for_tenants",
]
