"""Names that many declarations share: groups and what they are for, owners, the tag that keeps builds apart."""

import dagster as dg

OWNERS = ["team:data-platform"]

GROUPS = {
    "registry": "Who the tenants are.",
    "raw": "Events as they landed, checked line by line and accounted for.",
    "quality": "The gate: each tenant's load is judged, and a failing tenant is held back alone.",
    "staging": "Served events, one row each, in the tenant's own time.",
    "intermediate": "Sessions and other steps between events and marts.",
    "marts": "What analysts and BI tools read.",
    "publication": "What each tenant is served, with the proof of its isolation.",
    "models": "Churn and lifetime value: training, registry, scores.",
    "reports": "Monthly billing and compliance reports.",
}

# runs with this tag wait for one another, see dagster.yaml
EXCLUSIVE = {"analytics/exclusive": "marts"}


def described_by_group(spec: dg.AssetSpec) -> dg.AssetSpec:
    """Dagster's groups have no description of their own, so each asset carries its group's."""
    return spec.merge_attributes(metadata={"about this group": GROUPS[spec.group_name or "(none)"]})
