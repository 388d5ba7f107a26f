"""Funnels in files: what may be said, and that each fault is told with its place."""

import json
from pathlib import Path
from typing import Any

import pytest

from analytics_dagster.schemas.funnel_files import FunnelFileError, load_funnels
from analytics_dagster.schemas.funnels import Funnel
from analytics_dagster.settings import PROJECT_ROOT

FIELDS: dict[str, Any] = {
    "funnel": "purchase",
    "description": "From a product to an order.",
    "kinds": ["shop"],
    "window_hours": 72,
    "breakdown": "device",
    "steps": [
        {"event_name": "product_viewed"},
        {"event_name": "order_placed", "where": {"plan": "duo", "first": True}},
    ],
}


def load(folder: Path, name: str = "purchase.yaml", **changes: Any) -> list[Funnel]:
    fields = {field: value for field, value in (FIELDS | changes).items() if value is not None}
    (folder / name).write_text(json.dumps(fields))
    return load_funnels(folder)


def test_a_file_is_a_funnel(tmp_path: Path) -> None:
    assert load_funnels(tmp_path / "no such folder") == []
    (funnel,) = load(tmp_path)
    assert funnel.steps[1].where == {"plan": "duo", "first": True}
    assert funnel.steps[1].where["first"] is True


def test_the_funnels_of_the_project_can_be_used() -> None:
    funnels = load_funnels(PROJECT_ROOT / "funnels")
    assert {kind for funnel in funnels for kind in funnel.kinds} == {"music", "shop", "saas", "content"}


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"kinds": None}, "either to kinds or to tenants"),
        ({"tenants": ["kirana"]}, "either to kinds or to tenants"),
        ({"kinds": ["museum"]}, r"kinds\.0"),
        ({"kinds": None, "tenants": ["'; drop"]}, r"tenants\.0"),
        ({"window_hours": 169}, "window_hours"),
        ({"window_hours": 0}, "window_hours"),
        ({"steps": FIELDS["steps"][:1]}, "steps"),
        ({"steps": [{"event_name": "seen"}] * 7}, "steps"),
        ({"steps": [{"event_name": "a b"}] * 2}, r"steps\.0\.event_name"),
        ({"steps": [{"event_name": "seen", "where": {"plan": ["duo"]}}] * 2}, r"steps\.0\.where\.plan"),
        ({"steps": [{"event_name": "seen", "where": {"a'": "duo"}}] * 2}, r"steps\.0\.where"),
        ({"breakdown": "a b"}, "breakdown"),
        ({"sql": "1 = 1"}, "sql"),
        ({"funnel": "other"}, r"rename the file to other\.yaml"),
    ],
)
def test_a_fault_is_told_with_its_place(tmp_path: Path, changes: dict[str, Any], fault: str) -> None:
    with pytest.raises(FunnelFileError, match=rf"purchase\.yaml: .*{fault}"):
        load(tmp_path, **changes)


@pytest.mark.parametrize("content", [b"", b"[1]", b"a: [", b"\xff", b"2024-13-45", b"{1: 2, null: 3}", b"(1, 2): x"])
def test_a_file_that_is_no_funnel_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "odd.yaml").write_bytes(content)
    with pytest.raises(FunnelFileError, match=r"odd\.yaml: "):
        load(tmp_path)


def test_all_faults_are_told_at_once(tmp_path: Path) -> None:
    (tmp_path / "a.yml").write_text("")
    (tmp_path / "b.yaml").write_text("steps: 1")
    with pytest.raises(FunnelFileError, match=r"a\.yml: rename it to a\.yaml.*b\.yaml: funnel.*b\.yaml: steps"):
        load_funnels(tmp_path)
