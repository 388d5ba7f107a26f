"""HTML documents that people keep: rendering, writing, and the names of months and files.

What a document says belongs to its domain, with a template in the domain's own `templates` folder that
extends `base.html.j2`. Nothing here reads a clock or a database: the same values give the same bytes.
"""

from analytics_dagster.documents.months import check_month, last_day, month_title, next_month
from analytics_dagster.documents.paths import check_tenant_id, document_path
from analytics_dagster.documents.rendering import render
from analytics_dagster.documents.writing import WrittenDocument, sha256_of, whole_or_none, write

__all__ = [
    "WrittenDocument",
    "check_month",
    "check_tenant_id",
    "document_path",
    "last_day",
    "month_title",
    "next_month",
    "render",
    "sha256_of",
    "whole_or_none",
    "write",
]
