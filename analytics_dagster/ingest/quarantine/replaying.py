"""Entries judged again, as they are or as they were corrected, by today's contract and today's tenants.

An accepted line becomes an event in its old place: its own file, line and loading day. All of a replay is one
transaction under the load's lock, so that it takes turns with loads, and doing it twice is doing it once.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from hashlib import sha256

import psycopg

from analytics_dagster.errors import AnalyticsError
from analytics_dagster.ingest.admission import Arrival, Standing, admit
from analytics_dagster.ingest.containers import record_again
from analytics_dagster.ingest.intake import Intake, intake_of_today
from analytics_dagster.ingest.landing import claimed_tenant
from analytics_dagster.ingest.loading import LOCK
from analytics_dagster.ingest.naming import naming_of
from analytics_dagster.ingest.quarantine.choice import CHOSEN, Choice, Status, numbered, require_known
from analytics_dagster.ingest.quarantine.importing import Edit
from analytics_dagster.ingest.quarantine.settling import Outcome, Settled, settle, write_replays
from analytics_dagster.ingest.report import Tally
from analytics_dagster.ingest.verdict import LONGEST_LINE, Refusal, conflicting, judge
from analytics_dagster.schemas import AnalyticsEvent
from analytics_dagster.schemas.event_contract import NO_EVENT_CONTRACTS, EventRegistry

# Known events are sought once for each chunk, so it is large; and it is held in memory, so it has an end.
CHUNK_ENTRIES = 20_000
CHUNK_BYTES = 32 << 20

CHOSEN_ENTRIES = f"""
select q.entry_id, q.status, b.path as file, q.line_number, octet_length(q.original)
from raw.quarantine as q
join raw.batches as b using (batch_id)
where {CHOSEN}
order by q.batch_id, q.line_number, q.entry_id
"""  # noqa: S608 - composed of constants of ours

# of a line that is too long, just enough is read to say so again
WAITING = f"""
select q.entry_id, q.batch_id, q.load_day, q.line_number, q.tenant_id, b.path,
    substring(q.original for {LONGEST_LINE + 1}), q.original_sha256, q.reasons
from raw.quarantine as q
join raw.batches as b using (batch_id)
where q.entry_id = any(%s)
order by q.batch_id, q.line_number, q.entry_id
"""  # noqa: S608 - as above


@dataclass(frozen=True)
class ReplayReport:
    accepted: int = 0
    duplicate: int = 0
    conflicting: int = 0  # stays open: another event has its id
    refused: int = 0  # stays open: still breaks the contract
    whole_files: int = 0  # stays open: about a file and not about a line
    replayed_before: int = 0
    load_days: tuple[date, ...] = ()  # whose books changed: due again
    reasons: Mapping[tuple[str, str], int] = field(default_factory=dict)  # (rule, field) of lines that stay open

    @property
    def stay_open(self) -> int:
        return self.conflicting + self.refused + self.whole_files


@dataclass(frozen=True)
class _Waiting:
    entry_id: int
    batch_id: int
    load_day: date
    line_number: int
    tenant_id: str | None
    file: str
    original: bytes
    original_sha256: bytes
    reasons: list[dict[str, str | None]]


def replay(
    connection: psycopg.Connection,
    choice: Choice,
    *,
    actor: str,
    edits: Mapping[int, Edit] | None = None,
    registry: EventRegistry = NO_EVENT_CONTRACTS,
) -> ReplayReport:
    """Entries that are named must be there, must be about a line, and must not be discarded.

    Where `edits` has an entry, the corrected bytes are judged, and they replace the original, which its history keeps.
    """
    with connection.transaction():
        connection.execute("select pg_advisory_xact_lock(hashtext(%s))", [LOCK])
        if choice.entry_ids is not None:
            require_known(connection, choice.entry_ids)
        found = connection.execute(CHOSEN_ENTRIES, choice.parameters()).fetchall()
        _require_same_places(edits or {}, {entry_id: (file, line) for entry_id, _, file, line, _ in found})
        if choice.entry_ids is not None and edits is None:
            _require_lines(entry_id for entry_id, _, _, line, _ in found if line is None)
        _require_none_discarded(entry_id for entry_id, status, *_ in found if status == Status.DISCARDED)
        waiting = [
            (entry_id, min(size, LONGEST_LINE + 1))
            for entry_id, status, _, line, size in found
            if status == Status.OPEN and line is not None
        ]
        intake = intake_of_today(connection, registry)
        outcomes: Counter[Outcome] = Counter()
        reasons: Counter[tuple[str, str]] = Counter()
        days: dict[date, Tally] = {}
        for chunk in _chunks(waiting):
            settled = _judged(connection, chunk, edits or {}, intake)
            for day, tally in settle(connection, settled, actor).items():
                days[day] = days.get(day, Tally()) + tally
            outcomes.update(line.outcome for line in settled)
            reasons.update(
                (str(reason["rule"]), str(reason["field"]))
                for line in settled
                if line.outcome.stays_open
                for reason in line.reasons
            )
        write_replays(connection, days, actor)
        return ReplayReport(
            accepted=outcomes[Outcome.ACCEPTED],
            duplicate=outcomes[Outcome.DUPLICATE],
            conflicting=outcomes[Outcome.CONFLICTING],
            refused=outcomes[Outcome.REFUSED],
            whole_files=sum(status == Status.OPEN and line is None for _, status, _, line, _ in found),
            replayed_before=sum(status == Status.REPLAYED for _, status, *_ in found),
            load_days=tuple(sorted(days)),
            reasons=dict(reasons.most_common()),
        )


def judge_again(
    original: bytes,
    file: str,
    number: int,
    intake: Intake,
) -> tuple[str, AnalyticsEvent] | Refusal:
    """What the load would say today; the file's name below the landing folder says whose it is and in which format."""
    claimed = claimed_tenant(file)
    block = record_again(naming_of(file), original, number, claimed)
    sources = block.sources
    assert sources is not None  # noqa: S101 - of a record that is read again
    if sources.refused:
        return Refusal(intake.account_of(claimed), sources.refused[0].reasons)
    verdict = judge(block.data[:-1], claimed, intake)
    return sources.in_its_words(verdict) if isinstance(verdict, Refusal) else verdict


def _judged(
    connection: psycopg.Connection,
    entry_ids: Sequence[int],
    edits: Mapping[int, Edit],
    intake: Intake,
) -> list[Settled]:
    waiting = [_Waiting(*row) for row in connection.execute(WAITING, [list(entry_ids)])]
    corrections = {
        entry.entry_id: edits[entry.entry_id].original
        for entry in waiting
        if entry.entry_id in edits and sha256(edits[entry.entry_id].original).digest() != entry.original_sha256
    }
    verdicts = [
        judge_again(
            corrections.get(entry.entry_id, entry.original),
            entry.file,
            entry.line_number,
            intake,
        )
        for entry in waiting
    ]
    accepted = [
        Arrival(*verdict, entry.batch_id, entry.line_number, entry.load_day)
        for entry, verdict in zip(waiting, verdicts, strict=True)
        if not isinstance(verdict, Refusal)
    ]
    standings = iter(admit(connection, accepted))
    settled = []
    for entry, verdict in zip(waiting, verdicts, strict=True):
        if isinstance(verdict, Refusal):
            outcome, tenant_id = Outcome.REFUSED, verdict.tenant_id
            reasons = [reason.as_json() for reason in verdict.reasons]
        else:
            tenant_id, event = verdict
            outcome = OUTCOME_OF[next(standings)]
            reasons = [conflicting(event.metadata.event_id).as_json()] if outcome.stays_open else entry.reasons
        settled.append(
            Settled(
                entry_id=entry.entry_id,
                batch_id=entry.batch_id,
                load_day=entry.load_day,
                tenant_before=entry.tenant_id,
                tenant_id=tenant_id,
                outcome=outcome,
                reasons_before=entry.reasons,
                reasons=reasons,
                correction=corrections.get(entry.entry_id),
            )
        )
    return settled


OUTCOME_OF = {
    Standing.NEW: Outcome.ACCEPTED,
    Standing.DUPLICATE: Outcome.DUPLICATE,
    Standing.CONFLICTING: Outcome.CONFLICTING,
}


def _chunks(waiting: Sequence[tuple[int, int]]) -> Iterator[list[int]]:
    """(entry_id, bytes) in stretches that fit into memory, in their order."""
    chunk: list[int] = []
    room = CHUNK_BYTES
    for entry_id, size in waiting:
        if chunk and (size > room or len(chunk) == CHUNK_ENTRIES):
            yield chunk
            chunk, room = [], CHUNK_BYTES
        chunk.append(entry_id)
        room -= size
    if chunk:
        yield chunk


def _require_same_places(edits: Mapping[int, Edit], places: Mapping[int, tuple[str, int | None]]) -> None:
    for entry_id, edit in edits.items():
        if (edit.file, edit.line) != places[entry_id]:
            raise AnalyticsError(
                f"entry {entry_id} came from another file or line: was its number changed?",
                where=edit.where,
                remedy="entry_id, file and line must stay as they were exported; nothing was replayed",
            )


def _require_lines(entry_ids: Iterator[int]) -> None:
    if about_files := list(entry_ids):
        raise AnalyticsError(
            f"{numbered(about_files)} cannot be replayed: about a whole file, whose lines were never read",
            remedy="send the file again, complete and under a new name; then discard the entry",
        )


def _require_none_discarded(entry_ids: Iterator[int]) -> None:
    if discarded := list(entry_ids):
        raise AnalyticsError(
            f"{numbered(discarded)} cannot be replayed: discarded",
            remedy="analytics-dagster quarantine show says why; to bring lines in after all, send them in a new file",
        )
