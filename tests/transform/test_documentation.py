"""The documentation of the models, made by the real dbt from a real warehouse."""

from dataclasses import replace
from pathlib import Path

import pytest

from analytics_dagster.errors import AnalyticsError
from analytics_dagster.transform import prepare
from analytics_dagster.transform.documentation import document
from analytics_dagster.warehouse import WarehouseUrl


def test_the_page_holds_models_columns_and_lineage_and_leaves_nothing_else(
    warehouse: WarehouseUrl, manifest: Path, tmp_path: Path
) -> None:
    prepare(warehouse, manifest)
    page = tmp_path / "docs" / "index.html"
    for _ in range(2):
        document(warehouse, page)
    content = page.read_text(encoding="utf-8")
    for word in ("kpi_daily_wide", "Share of the sessions with a primary action", "bi_dashboards", "quality_gate"):
        assert word in content
    assert list(page.parent.iterdir()) == [page]


def test_a_warehouse_that_is_not_there_is_told(warehouse: WarehouseUrl, tmp_path: Path) -> None:
    page = tmp_path / "index.html"
    with pytest.raises(AnalyticsError, match="could not document"):
        document(replace(warehouse, database="absent"), page)
    assert list(tmp_path.iterdir()) == []
