"""Experiments in files: what may be said, and that each fault is told with its place."""

import json
from pathlib import Path
from typing import Any

import pytest

from analytics_dagster.sample.personas import PERSONAS
from analytics_dagster.schemas import TenantKind
from analytics_dagster.schemas.experiment_files import ExperimentFileError, load_experiments
from analytics_dagster.schemas.experiments import Experiment
from analytics_dagster.settings import PROJECT_ROOT

FIELDS: dict[str, Any] = {
    "experiment": "One-page checkout",
    "description": "Does one page sell more than three?",
    "tenants": ["kirana"],
    "variants": {"three pages": 0.8, "one page": 0.2},
    "control": "three pages",
    "conversion": ["order_placed"],
    "analysis": "fixed_horizon",
    "planned_end": "2026-11-30",
}


def load_one(folder: Path, name: str = "checkout.yaml", **changes: Any) -> Experiment:
    fields = {field: value for field, value in (FIELDS | changes).items() if value is not None}
    (folder / name).write_text(json.dumps(fields))
    return load_experiments(folder)[Path(name).stem]


def test_a_file_is_an_experiment(tmp_path: Path) -> None:
    assert load_experiments(tmp_path / "no such folder") == {}
    experiment = load_one(tmp_path)
    assert (experiment.window_hours, experiment.alpha, experiment.minimum_users) == (168, 0.05, 100)
    assert str(experiment.planned_end) == "2026-11-30"
    assert load_one(tmp_path, conversion=None).conversion == ("payment_succeeded",)


def test_a_list_of_variants_has_equal_shares(tmp_path: Path) -> None:
    experiment = load_one(tmp_path, variants=["three pages", "two pages", "one page"])
    assert experiment.variants == dict.fromkeys(["three pages", "two pages", "one page"], 1 / 3)


def test_the_date_of_a_file_needs_no_quotes(tmp_path: Path) -> None:
    lines = [f"{field}: {json.dumps(value)}" for field, value in FIELDS.items() if field != "planned_end"]
    (tmp_path / "a.yaml").write_text("\n".join([*lines, "planned_end: 2026-11-30"]))
    assert str(load_experiments(tmp_path)["a"].planned_end) == "2026-11-30"


def test_the_experiment_of_the_project_is_that_of_the_sample() -> None:
    experiments = load_experiments(PROJECT_ROOT / "experiments")
    (experiment,) = [each for each in experiments.values() if TenantKind.MUSIC in each.kinds]
    persona = PERSONAS[TenantKind.MUSIC]
    assert experiment.experiment == persona.experiment
    assert experiment.conversion == (persona.action,)
    assert experiment.variants == {"A": 0.5, "B": 0.5}


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"tenants": None}, "either to kinds or to tenants"),
        ({"kinds": ["shop"]}, "either to kinds or to tenants"),
        ({"tenants": None, "kinds": ["museum"]}, r"kinds\.0"),
        ({"tenants": ["'; drop"]}, r"tenants\.0"),
        ({"experiment": ""}, "experiment"),
        ({"experiment": "x" * 101}, "experiment"),
        ({"experiment": "a\nb"}, "experiment"),
        ({"experiment": None}, "experiment: is missing: add it"),
        ({"variants": None}, "variants: is missing: add it"),
        ({"variants": ["A"]}, "variants: .*at least 2"),
        ({"variants": []}, "variants: .*at least 2"),
        ({"variants": ["A", "A"]}, "variants: .*each variant once"),
        ({"variants": {"three pages": 0.8, "one page": 0.1}}, "variants: .*sum to 1, not to 0.9"),
        ({"variants": {"three pages": 1.2, "one page": -0.2}}, r"variants\.three pages: .*variants\.one page"),
        ({"variants": {"three pages": "half", "one page": 0.5}}, r"variants\.three pages"),
        ({"control": "control"}, "control should be one of the variants, which are three pages, one page"),
        ({"control": None}, "control: is missing: add it"),
        ({"conversion": []}, "conversion"),
        ({"conversion": ["a b"]}, r"conversion\.0"),
        ({"window_hours": 0}, "window_hours"),
        ({"window_hours": 2161}, "window_hours"),
        ({"analysis": None}, "analysis: is missing: add it"),
        ({"analysis": "bayesian"}, "analysis: .*sequential"),
        ({"analysis": "sequential"}, "planned_end should be said where analysis is fixed_horizon, and only there"),
        ({"planned_end": None}, "planned_end should be said where analysis is fixed_horizon"),
        ({"planned_end": "soon"}, "planned_end"),
        ({"alpha": 0.2}, "alpha"),
        ({"alpha": 0}, "alpha"),
        ({"minimum_users": 0}, "minimum_users"),
        ({"p_value": 0.01}, "p_value: is not a field here"),
    ],
)
def test_a_fault_names_the_file_and_the_field(tmp_path: Path, changes: dict[str, Any], fault: str) -> None:
    with pytest.raises(ExperimentFileError, match=rf"checkout\.yaml: .*{fault}"):
        load_one(tmp_path, **changes)


@pytest.mark.parametrize("content", [b"", b"[1]", b"a: [", b"\xff", b"2024-13-45", b"{1: 2, null: 3}", b"(1, 2): x"])
def test_a_file_that_is_no_experiment_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "odd.yaml").write_bytes(content)
    with pytest.raises(ExperimentFileError, match=r"an experiment file cannot .*odd\.yaml: |odd\.yaml: "):
        load_experiments(tmp_path)


def test_two_tenants_may_use_one_name_and_one_may_differ_from_its_kind(tmp_path: Path) -> None:
    load_one(tmp_path, "a.yaml")
    load_one(tmp_path, "b.yaml", tenants=["corner-shop"])
    load_one(tmp_path, "c.yaml", tenants=None, kinds=["shop"])
    assert set(load_experiments(tmp_path)) == {"a", "b", "c"}
    with pytest.raises(ExperimentFileError, match=r"d\.yaml: experiment: b\.yaml declares .* of tenant corner-shop"):
        load_one(tmp_path, "d.yaml", tenants=["harbour-post", "corner-shop"])
    (tmp_path / "d.yaml").unlink()
    with pytest.raises(ExperimentFileError, match=r"e\.yaml: experiment: c\.yaml declares .* of kind shop"):
        load_one(tmp_path, "e.yaml", tenants=None, kinds=["saas", "shop"])
