"""Writes the site: each page whole or not at all, and only where something changed.

A judgement changes the pages of the tenants that it judged, its own, those of the suites and the index. Pages of
earlier runs stay as they were written. Writers take turns by a lock in the database, so that none puts an older
state over a newer one.
"""

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg

from analytics_dagster import documents
from analytics_dagster.quality.data_docs import places, reading
from analytics_dagster.quality.data_docs.pages import Pages
from analytics_dagster.quality.suite_files import Suite, read_suites
from analytics_dagster.warehouse import WarehouseUrl, connect

LOCK = "quality.data_docs"


@dataclass(frozen=True)
class Written:
    index: Path
    pages: int  # that there are now
    changed: tuple[str, ...]  # pages that were new or different


def write(
    connection: psycopg.Connection,
    folder: Path,
    suites: Sequence[Suite],
    *,
    judgements: Collection[int] | None = None,
    of_tenants: Collection[str] = (),
) -> Written:
    """The pages that these judgements changed, and those of some more tenants; without judgements, all."""
    there = places.pages_in(folder)
    tenants = reading.tenants_of(connection)
    judged = {tenant.tenant_id for tenant in tenants if tenant.newest}
    missing = {tenant_id for tenant_id in judged if places.tenant_page(tenant_id) not in there}
    if judgements is None:
        numbers, touched = reading.all_judgements(connection), {tenant.tenant_id for tenant in tenants}
    else:
        numbers = sorted(judgements)
        touched = {*reading.judged_tenants(connection, numbers), *of_tenants, *missing}
    chosen = [tenant for tenant in tenants if tenant.tenant_id in touched]
    facts = reading.read(connection, tenants, judgements=numbers, of_tenants=[tenant.tenant_id for tenant in chosen])
    runs = [facts.runs[number] for number in numbers if number in facts.runs]
    written = {
        *(places.tenant_page(tenant.tenant_id) for tenant in chosen),
        *(places.run_page(run.judgement_id) for run in runs),
        *(places.suite_page(suite.name) for suite in suites),
    }
    pages = Pages(facts, suites, there | written)

    def rendered() -> Iterator[tuple[str, str]]:
        for run in runs:
            yield places.run_page(run.judgement_id), pages.run(run)
        for tenant in chosen:
            yield places.tenant_page(tenant.tenant_id), pages.tenant(tenant)
        for suite in pages.suites:
            yield places.suite_page(suite), pages.suite(suite)
        yield places.INDEX, pages.index()  # last: what it links to is there

    changed = tuple(page for page, text in rendered() if _put(folder / page, text))
    return Written(folder / places.INDEX, len(there | written) + 1, changed)


def write_for_run(url: WarehouseUrl, folder: Path, expectations_dir: Path, run_id: str) -> Written:
    """The pages that the judgements of a run changed."""
    with _turn(url) as connection:
        judgements = reading.judgements_of(connection, run_id)
        return write(connection, folder, read_suites(expectations_dir), judgements=judgements)


def write_all(url: WarehouseUrl, folder: Path, expectations_dir: Path) -> Written:
    with _turn(url) as connection:
        return write(connection, folder, read_suites(expectations_dir))


def write_for_tenants(url: WarehouseUrl, folder: Path, expectations_dir: Path, tenants: Collection[str]) -> Written:
    """The pages of some tenants, after a person changed something that no judgement tells."""
    with _turn(url) as connection:
        return write(connection, folder, read_suites(expectations_dir), judgements=(), of_tenants=tenants)


@contextmanager
def _turn(url: WarehouseUrl) -> Iterator[psycopg.Connection]:
    with connect(url) as connection, connection.transaction():
        # every statement after it sees what was committed when the turn came
        connection.execute("select pg_advisory_xact_lock(hashtext(%s))", [LOCK])
        yield connection


def _put(path: Path, text: str) -> bool:
    """Whether the page was new or different; one that says the same is not touched."""
    try:
        if path.read_bytes() == text.encode():
            return False
    except OSError:
        pass  # not there yet; or it cannot be had, and writing says why
    documents.write(path, text)
    return True
