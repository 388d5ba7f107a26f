"""Where a document of a tenant and month lives. A tenant's id is checked before it becomes part of a path."""

import re
from datetime import date
from pathlib import Path

from analytics_dagster.errors import AnalyticsError
from analytics_dagster.schemas.base import TENANT_ID_PATTERN


def check_tenant_id(tenant_id: str) -> None:
    # fullmatch: `$` alone lets a trailing line break pass
    if not re.fullmatch(TENANT_ID_PATTERN, tenant_id):
        raise AnalyticsError(
            f"{tenant_id[:60]!r} cannot be the id of a tenant",
            remedy="use the tenant_id of the registry: lower-case letters, digits, - and _, at most 40",
        )


def document_path(reports_dir: Path, kind: str, month: date, tenant_id: str) -> Path:
    """`<reports_dir>/<kind>/<YYYY-MM>/<tenant_id>.html`"""
    check_tenant_id(tenant_id)
    return reports_dir / kind / f"{month:%Y-%m}" / f"{tenant_id}.html"
