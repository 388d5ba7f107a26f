"""What an auditor reads first: each claim that the record supports, or the exception that a person must look at."""

from dataclasses import dataclass

from analytics_dagster.compliance.record import Evidence
from analytics_dagster.schemas import ComplianceFramework

# What the record is evidence for; whether a framework is met is for an auditor to say.
FRAMEWORKS = {
    ComplianceFramework.GDPR: (
        "GDPR",
        "which personal data is kept and why (article 30), and for how long (article 5, storage limitation)",
    ),
    ComplianceFramework.HIPAA: ("HIPAA", "a record of what was loaded and run (audit controls, 45 CFR 164.312(b))"),
    ComplianceFramework.SOX: ("SOX", "completeness of what was loaded, and every change of the tables (section 404)"),
    ComplianceFramework.PCI_DSS: ("PCI DSS", "which columns hold payment data and how long (requirement 3)"),
}

ENDED_WELL = "SUCCESS"
ENDED_BADLY = {"FAILURE", "CANCELED"}


@dataclass(frozen=True)
class Finding:
    claim: str
    holds: bool
    detail: str


def findings(evidence: Evidence) -> list[Finding]:
    return [_inventory(evidence), _books(evidence), _held(evidence), _retention(evidence), _isolation(evidence),
            _runs(evidence)]  # fmt: skip


def _inventory(evidence: Evidence) -> Finding:
    missing = evidence.undeclared_columns
    return Finding(
        "Every column that can hold personal data is accounted for",
        not missing,
        f"not declared: {', '.join(missing)}" if missing else f"{len(evidence.personal_columns)} are personal",
    )


def _books(evidence: Evidence) -> Finding:
    wrong = [
        load.load_day.isoformat()
        for load in evidence.loads
        if load.received != load.accepted + load.duplicate + load.quarantined or load.kept != load.accepted
    ]
    return Finding(
        "Nothing that was received in the month is missing",
        not wrong,
        f"the books and the events differ for {', '.join(wrong)}"
        if wrong
        else f"{sum(load.received for load in evidence.loads):,} lines in {len(evidence.loads)} loads",
    )


def _held(evidence: Evidence) -> Finding:
    waiting = sum(load.held_at is None for load in evidence.held_loads)
    counts = {"held": len(evidence.held_loads) - waiting, "waiting": waiting}
    told = " and ".join(f"{count} {what}" for what, count in counts.items() if count)
    stands_on = f"on the load of {evidence.stands_on}" if evidence.stands_on else "on no load"
    return Finding(
        "No load of the month is held back by the quality gate",
        not evidence.held_loads,
        f"{told}, with the reasons in section 5; the marts stand {stands_on}" if told else "all loads are served",
    )


def _retention(evidence: Evidence) -> Finding:
    past = evidence.retention.events_past
    return Finding(
        "No event is kept beyond the agreed time",
        not past,
        f"events older than {evidence.retention.keeps_from.isoformat()}: {past:,}"
        if past
        else f"{evidence.retention.days:,} days",
    )


def _isolation(evidence: Evidence) -> Finding:
    publication = evidence.publication
    return Finding(
        "The tenant's readers see the tenant's rows and no others",
        publication is not None and publication.foreign_rows == 0,
        "not published yet, so nobody reads them"
        if publication is None
        else f"{publication.foreign_rows} foreign rows among {sum(publication.row_counts.values()):,}",
    )


def _runs(evidence: Evidence) -> Finding:
    bad = sum(run.status in ENDED_BADLY for run in evidence.runs)
    return Finding(
        "No run ended badly",
        not bad,
        f"{bad} of {len(evidence.runs)} did, see section 9" if bad else f"{len(evidence.runs)} runs",
    )
