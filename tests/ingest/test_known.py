"""The memory of accepted events agrees with a Python set, through any number of loads, runs and merges."""

import numpy as np
import psycopg
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from analytics_dagster.ingest.known import Hashes, Register, Sieve, identities, memory, rebuild, repeated, runs
from analytics_dagster.ingest.known.filters import Filter

HASH = st.integers(0, 2**64 - 1)
# what lies on the rims of pages and slices, and neighbours of it
RIMS = st.sampled_from([0, 1, 2**58 - 1, 2**58, 2**63 - 1, 2**63, 2**64 - 1])


def some(count: int, seed: int) -> Hashes:
    return np.random.default_rng(seed).integers(0, 2**64, count, dtype=np.uint64)


def test_a_filter_never_takes_a_known_one_for_new_and_rarely_a_new_one_for_known() -> None:
    known = some(50_000, seed=1)
    filled = Filter.of(known)
    assert filled.maybe(known).all()
    assert Filter.from_bytes(bytes(filled)).maybe(known).all()
    assert filled.maybe(some(50_000, seed=2)).mean() < 0.004
    assert not Filter.of(known[:0]).maybe(known).any()
    assert Filter.full().maybe(known).all()


def test_the_sieve_lets_pass_each_hash_once() -> None:
    sieve = Sieve([])
    first, second = some(5_000, seed=1), some(5_000, seed=2)
    assert repeated(np.concatenate([first, first])).tolist() == [False] * 5_000 + [True] * 5_000
    assert sieve.doubtful(first).mean() == 0
    assert sieve.doubtful(first).all()
    assert sieve.doubtful(second).mean() < 0.01
    assert sieve.doubtful(np.concatenate([second, first])).all()
    assert sieve.doubtful(first[:0]).tolist() == []


def test_the_sieve_grows_with_a_load(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "RUN_LENGTH", 100)
    sieve = Sieve([])
    loads = [some(80, seed) for seed in range(10)] + [some(1_000, seed=99)]
    for load in loads:
        assert sieve.doubtful(load).mean() < 0.1
    assert all(sieve.doubtful(load).all() for load in loads)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(loads=st.lists(st.lists(HASH | RIMS, max_size=40, unique=True), max_size=20), asked=st.lists(HASH | RIMS))
def test_the_register_is_a_set(connection: psycopg.Connection, loads: list[list[int]], asked: list[int]) -> None:
    known: set[int] = set()
    with connection.transaction(force_rollback=True):
        for load in loads:
            register = Register(connection)
            hashes = np.array(load, dtype=np.uint64)
            expected = [number in known for number in load]
            assert register.knows(hashes).tolist() == expected
            assert not (~register.sieve(lines=10**9).doubtful(hashes) & np.array(expected, dtype=bool)).any()
            register.add(hashes[~np.array(expected, dtype=bool)])
            known |= set(load)
            assert register.knows(hashes).all()
            register.write()
        wanted = np.array(asked, dtype=np.uint64)
        assert Register(connection).knows(wanted).tolist() == [number in known for number in asked]


def test_runs_of_like_size_are_merged(connection: psycopg.Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runs, "SMALLEST_TIER", 400)
    loads = [some(400, seed) for seed in range(70)]
    for load in loads:
        register = Register(connection)
        register.add(load)
        register.write()
    kept = runs.stored_runs(connection)
    assert sorted(run.hashes for run in kept) == [400] * 6 + [25_600]
    assert Register(connection).knows(np.concatenate(loads)).all()
    assert not Register(connection).knows(some(1_000, seed=999)).any()
    orphans = "select count(*) from raw.known_pages where run_id <> all(%s)"
    assert connection.execute(orphans, [[run.run_id for run in kept]]).fetchone() == (0,)


def test_a_small_load_does_not_read_the_filters(connection: psycopg.Connection) -> None:
    register = Register(connection)
    register.add(some(100_000, seed=1))
    register.write()
    nothing_known = some(10, seed=2)
    assert Register(connection).sieve(lines=10).doubtful(nothing_known).all()
    assert not Register(connection).sieve(lines=10**6).doubtful(nothing_known).all()


def test_a_long_load_writes_its_runs_as_it_goes(
    connection: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "RUN_LENGTH", 1_000)
    register = Register(connection)
    for seed in range(25):
        register.add(some(100, seed))
    assert connection.execute("select sum(hashes) from raw.known_runs").fetchone() == (2_000,)
    assert register.knows(np.concatenate([some(100, seed) for seed in range(25)])).all()


def test_the_tenant_is_part_of_an_identity() -> None:
    tenants, ids = pa.array(["acme", "zeta", "acme"]), pa.array(["e1", "e1", "é2"])
    hashes = identities(tenants, ids, "0" * 16)
    assert len(set(hashes.tolist())) == 3
    assert identities(tenants, ids, "0" * 16).tolist() == hashes.tolist()
    assert not set(identities(tenants, ids, "1" * 16).tolist()) & set(hashes.tolist())
    assert identities(tenants[:0], ids[:0], "0" * 16).tolist() == []


def test_the_memory_can_be_made_anew(connection: psycopg.Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "IDS_AT_A_TIME", 100)
    connection.execute(
        "insert into raw.events select 'acme', 'e' || n, 'user_action', 'x', 'api', now(), null, null, false, '{}',"
        " current_date, 1, n from generate_series(1, 250) as n"
    )
    register = Register(connection)
    register.add(some(10, seed=1))
    register.write()
    assert rebuild(connection) == 250
    rebuilt = Register(connection)
    ids = [f"e{number}" for number in range(1, 252)]
    known = rebuilt.knows(identities(pa.array(["acme"] * 251), pa.array(ids), rebuilt.key))
    assert known.tolist() == [True] * 250 + [False]
    assert not rebuilt.knows(some(10, seed=1)).any()
