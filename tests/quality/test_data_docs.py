"""The Data Docs from hand-made verdicts: what the pages say, what they refuse to trust, and what a run leaves alone."""

import re
from collections import Counter
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path

import psycopg
import pytest
import typer
from psycopg import sql
from psycopg.types.json import Jsonb
from typer.testing import CliRunner

from analytics_dagster.cli import quality_docs
from analytics_dagster.quality import data_docs
from analytics_dagster.quality.data_docs import drawing, places, wording
from analytics_dagster.quality.data_docs.facts import Day
from analytics_dagster.quality.suite_files import Expectation, Suite
from analytics_dagster.settings import load_settings
from analytics_dagster.warehouse import connect

TODAY = date(2026, 5, 31)
HOSTILE = "<script>alert(1)</script> \"quoted\" & 'co' \u202egnp.exe"
ROOT = Path(__file__).parents[2]


def suite(name, *expectations):
    between = "expect_column_values_to_be_between"
    made = (
        Expectation(name, what, between, kwargs, severity, f"Why {what}.", "")
        for what, severity, kwargs in expectations
    )
    return Suite(name, Path(f"{name}.json"), tuple(made), {})


SUITES = (
    suite("published_marts", ("marts_are_whole", "critical", {"column": "missing_share", "max_value": 0})),
    suite(
        "raw_events",
        ("lines_are_well_formed", "critical", {"column": "quarantined_share", "max_value": 0.5}),
        ("volume_is_as_usual", "warning", {"column": "volume_deviation", "min_value": -8}),
    ),
)
ASKED = {e.name: e for each in SUITES for e in each.expectations}


class Story:
    """Writes what the gate would have recorded."""

    def __init__(self, connection: psycopg.Connection) -> None:
        self.connection = connection

    def tenant(self, tenant_id, name="A name", status="active"):
        self.connection.execute(
            "insert into tenancy.tenants (tenant_id, name, kind, tier, status, time_zone, currency, plan, region,"
            " configuration) values (%s, %s, 'shop', 'free', %s, 'UTC', 'EUR', 'free', 'eu', '{}')",
            [tenant_id, name, status],
        )

    def judgement(self, *, stage="loads", run="a run", day=TODAY):
        row = self.connection.execute(
            "insert into quality.judgements (run_id, stage, judged_at) values (%s, %s, %s) returning judgement_id",
            [run, stage, datetime(day.year, day.month, day.day, 2, 15, tzinfo=UTC)],
        ).fetchone()
        return row[0]

    def verdict(self, judgement, tenant, expectation, observed, *, day=TODAY, note="", sample=(), passed=True):
        asked = ASKED[expectation]
        self.connection.execute(
            "insert into quality.results values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
            [
                *(day, tenant, expectation, asked.severity, observed, asked.expected, passed),
                *(judgement, asked.suite, note, Jsonb(list(sample))),
            ],
        )

    def load(self, judgement, tenant, *, day=TODAY, state="passed", score=100.0):
        self.connection.execute(
            "insert into quality.loads values (%(t)s, %(d)s, 'c', '{}', %(s)s, %(j)s)"
            " on conflict (tenant_id, load_day) do update set state = %(s)s, judgement_id = %(j)s",
            {"t": tenant, "d": day, "s": state, "j": judgement},
        )
        self.connection.execute(
            "insert into quality.scores values (%(t)s, %(d)s, %(n)s, 2, 0, 0, %(s)s)"
            " on conflict (tenant_id, load_day) do update set state = %(s)s, score = %(n)s",
            {"t": tenant, "d": day, "s": state, "n": score},
        )

    def good(self, judgement, tenant, day=TODAY):
        self.verdict(judgement, tenant, "lines_are_well_formed", 0.01, day=day)
        self.verdict(judgement, tenant, "volume_is_as_usual", 0.3, day=day)
        self.load(judgement, tenant, day=day)

    def hold(self, tenant, day, *reasons):
        self.connection.execute(
            "insert into quality.holds (load_day, tenant_id, reasons) values (%s, %s, %s)",
            [day, tenant, Jsonb(reasons)],
        )
        self.connection.execute("insert into pipeline.fronts values (%s, %s)", [tenant, day])

    def release(self, tenant, day, *, actor=None, reason=None):
        self.connection.execute(
            "insert into quality.releases (tenant_id, load_day, reasons, held_at, released_at, how, actor, reason)"
            " values (%s, %s, %s, %s, %s, %s, %s, %s)",
            [
                *(tenant, day, Jsonb(["lines_are_well_formed: too bad"]), "2026-05-30 02:00Z", "2026-05-31 09:00Z"),
                *("person" if actor else "passed", actor, reason),
            ],
        )


@pytest.fixture(scope="module")
def database(server, template):
    url = replace(server, database="data_docs")
    with connect(server, autocommit=True) as admin:
        admin.execute(
            sql.SQL("create database data_docs template {} strategy file_copy").format(sql.Identifier(template))
        )
        yield url
        admin.execute("drop database data_docs with (force)")


@pytest.fixture
def story(database):
    """Every test takes back what it wrote."""
    with connect(database) as connection, connection.transaction(force_rollback=True):
        yield Story(connection)


@pytest.fixture
def told(story):
    """A day of three tenants: one is held, one was released by a person, one is hostile and well."""
    story.tenant("calm", HOSTILE)
    story.tenant("broken", "Broken Records")
    story.tenant("let-go")
    story.tenant("gone", status="offboarded")
    before = TODAY - timedelta(days=1)
    first, second = story.judgement(day=before, run="monday"), story.judgement(run="tuesday")
    for judgement, day in ((first, before), (second, TODAY)):
        for tenant in ("calm", "let-go"):
            story.good(judgement, tenant, day)
    story.verdict(
        first, "broken", "lines_are_well_formed", 0.613, day=before, passed=False, sample=["11111111-aaaa", "<b>2</b>"]
    )
    story.load(first, "broken", day=before, state="held", score=28.6)
    story.good(second, "broken")
    story.verdict(
        second, "calm", "volume_is_as_usual", -14.25, day=TODAY - timedelta(days=9), passed=False, note="rare & odd"
    )
    story.hold("broken", before, "lines_are_well_formed: expected quarantined_share <= 0.5, observed 0.613")
    story.release("let-go", before, actor="<i>ana</i>", reason="known & announced")
    marts = story.judgement(stage="marts", run="publish")
    story.verdict(marts, "calm", "marts_are_whole", 0.25, passed=False)
    return story


class Page(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.text, self.ids, self.tags, self.references, self._words = text, set(), Counter(), [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags[tag] += 1
        given = dict(attrs)
        assert len(given) == len(attrs), f"an attribute twice in {tag}"
        self.references += [
            given[name] for name in ("href", "src", "action", "data", "poster", "xlink:href") if name in given
        ]
        if "id" in given:
            assert given["id"] not in self.ids, f"an id twice: {given['id']}"
            self.ids.add(given["id"])

    def handle_data(self, data):
        self._words.append(data)

    @property
    def says(self) -> str:
        return re.sub(r"\s+", " ", " ".join(self._words))


def pages(folder: Path) -> dict[str, Page]:
    return {
        file.relative_to(folder).as_posix(): Page(file.read_text(encoding="utf-8"))
        for file in sorted(folder.rglob("*"))
        if file.is_file()
    }


@pytest.fixture
def site(told, tmp_path):
    data_docs.write(told.connection, tmp_path, SUITES)
    return pages(tmp_path)


def test_every_tenant_suite_and_run_has_a_page(site):
    runs = sorted(name for name in site if name.startswith("runs/"))
    assert len(runs) == 3
    assert sorted(set(site) - set(runs)) == [
        "index.html",
        "suites/published_marts.html",
        "suites/raw_events.html",
        "tenants/broken.html",
        "tenants/calm.html",
        "tenants/let-go.html",
    ]


def test_the_index_tells_who_is_held_and_what_fails(site):
    says = site["index.html"].says
    assert re.search(r"Held tenants 1 ", says)
    assert re.search(r"broken held since 2026-05-30 2 loads waiting 2026-05-31 100\.0", says)
    assert says.index("Broken Records") < says.index("A name")
    assert "Lines are well formed critical" in says
    assert "Marts are whole critical" in says
    assert "Volume is as usual" not in says, "a failure of nine days ago counts no more"
    assert site["index.html"].tags["polyline"] == 3


def test_the_page_of_a_held_tenant(site):
    says = site["tenants/broken.html"].says
    assert "Held since the load of 30 May 2026" in says
    assert "Nothing was published yet. 2 loads wait for" in says
    assert re.search(r"Lines are well formed : 61\.3%, asked for at most 50% such as 11111111-aaaa, <b>2</b>", says)
    assert "Load of 2026-05-31: 2 of 2 expectations passed" in says
    assert "0.3 deviations" in says
    assert "at least −8 deviations" in says


def test_the_page_of_a_tenant_that_a_person_let_go(site):
    says = site["tenants/let-go.html"].says
    assert "by <i>ana</i> : known & announced" in says
    assert "Lines are well formed: too bad" in says
    assert "2026-05-31 09:00 UTC" in says


def test_verdicts_on_the_marts_are_those_of_their_newest_judgement(told, tmp_path):
    later = told.judgement(stage="marts", run="publish again")
    told.verdict(later, "calm", "marts_are_whole", 0.0)
    data_docs.write(told.connection, tmp_path, SUITES)
    assert "As of 2026-05-31: 1 of 1 expectations passed" in pages(tmp_path)["tenants/calm.html"].says
    assert "Marts are whole" not in pages(tmp_path)["index.html"].says


def test_the_page_of_a_run_counts_and_lists(site):
    first = next(page for name, page in site.items() if name.startswith("runs/") and "monday" in page.says)
    assert re.search(
        r"Tenants 3 1 of them fail something Loads 3 2026-05-30 Verdicts 5 4 passed Failed 1 1 critical", first.says
    )
    assert "Broken Records broken Lines are well formed such as 11111111-aaaa" in first.says
    assert "The run before" not in first.says
    publish = next(page for name, page in site.items() if name.startswith("runs/") and "publish" in page.says)
    assert "Published marts judged on" in publish.says
    assert "The run before" in publish.says


def test_the_page_of_a_suite_tells_each_expectation(site):
    says = site["suites/raw_events.html"].says
    assert "Why lines_are_well_formed. Asks at most 50% of quarantined_share" in says
    assert "Fails now for 1 of 3 tenants : Broken Records" in says
    assert re.search(r"Fails now for no tenant .*2026-05-22 .* −14\.2 deviations at least −8 deviations", says)
    assert 'aria-label="Failed on 1 of the last 28 days"' in site["suites/raw_events.html"].text


def test_what_tenants_wrote_is_text(site):
    for name, page in site.items():
        assert page.tags["script"] == page.tags["i"] == 0, name
        assert "<script" not in page.text.lower(), name
        assert page.tags["b"] == 3 * (name == "index.html"), name  # the scores
    assert "<script>alert(1)</script>" in site["index.html"].says
    assert '<bdi><a href="tenants/calm.html">&lt;script&gt;' in site["index.html"].text


def test_no_page_needs_anything_from_elsewhere_and_no_link_is_dead(site):
    followed = 0
    for name, page in site.items():
        assert not page.tags.keys() & {"img", "iframe", "object", "embed", "base", "form", "video", "audio", "use"}
        assert "url(" not in page.text
        assert "@import" not in page.text
        for reference in page.references:
            assert not re.match(r"[a-z]+:|//|/", reference.removeprefix("data:,")), (name, reference)
            if reference == "data:,":
                continue
            path, _, anchor = reference.partition("#")
            target = (Path("/", name).parent / path).resolve().relative_to("/").as_posix()
            assert target in site, (name, reference)
            assert not anchor or anchor in site[target].ids, (name, reference)
            followed += 1
    assert followed > 40


def test_pages_are_made_to_be_read_by_everybody(site):
    for name, page in site.items():
        assert page.tags["h1"] == 1, name
        assert page.tags["caption"] == page.tags["table"], name
        assert page.tags["svg"] == page.text.count('role="img" aria-label="'), name
        assert '<html lang="en">' in page.text


def touched(folder: Path, write) -> set[str]:
    before = {file: (file.stat().st_mtime_ns, file.stat().st_ino) for file in folder.rglob("*.html")}
    write()
    return {
        file.relative_to(folder).as_posix()
        for file in folder.rglob("*.html")
        if before.get(file) != (file.stat().st_mtime_ns, file.stat().st_ino)
    }


def test_what_says_the_same_is_not_written_again(told, tmp_path):
    first = data_docs.write(told.connection, tmp_path, SUITES)
    assert first.pages == len(first.changed) == 9
    assert first.index == tmp_path / "index.html"
    written = []
    assert touched(tmp_path, lambda: written.append(data_docs.write(told.connection, tmp_path, SUITES))) == set()
    assert written[0].changed == ()


def test_a_judgement_changes_its_tenants_pages_and_keeps_those_of_older_runs(told, tmp_path):
    data_docs.write(told.connection, tmp_path, SUITES)
    told.connection.execute("update tenancy.tenants set name = 'Renamed' where tenant_id = 'let-go'")
    told.connection.execute("update quality.results set note = 'changed' where not passed and tenant_id = 'broken'")
    told.connection.execute("delete from quality.releases")
    tomorrow = TODAY + timedelta(days=1)
    judgement = told.judgement(day=tomorrow)
    told.good(judgement, "calm", tomorrow)
    changed = touched(tmp_path, lambda: data_docs.write(told.connection, tmp_path, SUITES, judgements=[judgement]))
    assert {name for name in changed if not name.startswith("suites/")} == {
        "index.html",
        "tenants/calm.html",
        f"runs/{judgement}.html",
    }
    assert "Renamed" in pages(tmp_path)["index.html"].says


def test_a_release_by_a_person_is_told_with_the_next_judgement_or_at_once(told, tmp_path):
    data_docs.write(told.connection, tmp_path, SUITES)
    told.connection.execute("delete from quality.holds")
    told.connection.execute("delete from quality.releases")
    told.release("broken", TODAY - timedelta(days=1), actor="ana", reason="it is so")
    at_once = touched(
        tmp_path,
        lambda: data_docs.write(told.connection, tmp_path, SUITES, judgements=[], of_tenants=["broken"]),
    )
    assert "tenants/broken.html" in at_once
    assert "tenants/calm.html" not in at_once
    (tmp_path / "tenants/broken.html").write_text("old")
    told.connection.execute("update quality.releases set released_at = '2026-06-01 01:00Z'")
    judgement = told.judgement(day=TODAY + timedelta(days=1))
    data_docs.write(told.connection, tmp_path, SUITES, judgements=[judgement])
    assert "by ana : it is so" in pages(tmp_path)["tenants/broken.html"].says


def test_pages_that_are_gone_come_back_and_links_to_others_are_no_links(told, tmp_path):
    judgement = told.judgement()
    data_docs.write(told.connection, tmp_path, SUITES, judgements=[judgement])
    there = pages(tmp_path)
    assert {name for name in there if name.startswith(("tenants/", "runs/"))} == {
        *(f"tenants/{tenant}.html" for tenant in ("broken", "calm", "let-go")),
        f"runs/{judgement}.html",
    }
    assert "Nothing was judged in this run." in there[f"runs/{judgement}.html"].says
    for name, page in there.items():
        for reference in page.references:
            target = (tmp_path / name).parent / reference.partition("#")[0]
            assert reference == "data:," or target.exists(), (name, reference)


def test_the_number_of_queries_does_not_grow_with_tenants(told, tmp_path, monkeypatch):
    asked = []
    execute = psycopg.Cursor.execute
    monkeypatch.setattr(
        psycopg.Cursor, "execute", lambda self, *words, **more: asked.append(words) or execute(self, *words, **more)
    )

    def queries():
        asked.clear()
        data_docs.write(told.connection, tmp_path, SUITES)
        return len(asked)

    few = queries()
    judgement = told.judgement()
    for number in range(30):
        told.tenant(f"more-{number}")
        told.good(judgement, f"more-{number}")
    assert few == queries() > 5


def test_an_empty_database_gives_a_sensible_index(story, tmp_path):
    written = data_docs.write(story.connection, tmp_path, SUITES)
    assert sorted(written.changed) == ["index.html", "suites/published_marts.html", "suites/raw_events.html"]
    assert "Nothing was judged yet." in pages(tmp_path)["index.html"].says
    story.tenant("new")
    data_docs.write(story.connection, tmp_path, SUITES)
    there = pages(tmp_path)
    assert "A name new not judged – – nothing yet" in there["index.html"].says
    assert "Nothing of this tenant was judged yet." in there["tenants/new.html"].says


def test_a_run_writes_what_it_judged(warehouse, tmp_path):
    with connect(warehouse) as connection:
        story = Story(connection)
        story.tenant("calm")
        story.good(story.judgement(run="tuesday"), "calm")
    suites = ROOT / "expectations"
    written = data_docs.write_for_run(warehouse, tmp_path, suites, "tuesday")
    assert {"index.html", "tenants/calm.html", "runs/1.html", "suites/raw_events.html"} <= set(written.changed)
    assert data_docs.write_for_tenants(warehouse, tmp_path, suites, ["calm"]).changed == ()
    assert data_docs.write_for_run(warehouse, tmp_path, suites, "no such run").changed == ()
    assert data_docs.write_all(warehouse, tmp_path, suites).changed == ()


def test_a_person_can_have_all_of_it_written(warehouse, tmp_path, monkeypatch):
    chosen = load_settings(state_dir=tmp_path)
    monkeypatch.setattr(quality_docs, "prepared", lambda: (chosen, warehouse))
    app = typer.Typer()
    quality_docs.register(app)
    done = CliRunner().invoke(app, [])
    assert (done.exit_code, done.stdout) == (0, f"{tmp_path}/data_docs/index.html\n")
    assert (tmp_path / "data_docs" / "suites" / "raw_events.html").is_file()


@pytest.mark.parametrize(
    "name", ["../../etc/passwd", "a/b", "", "..", "A", "con.html", "ä", "x" * 81, "_x", "a\n", "\ud800"]
)
def test_no_name_becomes_a_path(name):
    page = places.tenant_page(name)
    assert places.PAGE.fullmatch(page)
    assert page != places.tenant_page(places.slug(name)), "two names would share a page"


def test_a_plain_name_is_its_own_slug():
    assert [places.slug(name) for name in ("kirana", "corner-shop", "a_1")] == ["kirana", "corner-shop", "a_1"]


@pytest.mark.parametrize(
    ("measure", "value", "said"),
    [
        ("late_share", 0.5, "50%"),
        ("late_share", 0.12345, "12.3%"),
        ("late_share", 0.00012, "0.012%"),
        ("late_share", 0, "0%"),
        ("late_share", -0.0, "0%"),
        ("mix_shift", 1, "100%"),
        ("volume_ratio", 1.5, "1.5 × usual"),
        ("volume_deviation", -4.256, "−4.26 deviations"),
        ("volume_deviation", 1, "1 deviation"),
        ("hours_behind", 26.25, "26.2 h"),
        ("received", 1234567, "1,234,567"),
        ("received", 1234.5, "1,234"),
        ("received", 99.999, "100"),
        ("received", None, "nothing to observe"),
        ("received", float("nan"), "nothing to observe"),
        ("volume_ratio", float("inf"), "∞ × usual"),
    ],
)
def test_numbers_are_for_people(measure, value, said):
    assert wording.amount(measure, value) == said


@pytest.mark.parametrize(
    ("recorded", "said"),
    [
        ("late_share <= 0.5", "at most 50%"),
        ("received >= 1", "at least 1"),
        ("received > 1000", "more than 1,000"),
        ("0.25 <= volume_ratio <= 4", "at least 0.25 × usual, at most 4 × usual"),
        ("0 < late_share < 0.5", "more than 0%, less than 50%"),
        ("hours_behind is one of 1, 2", "one of 1, 2"),
        ("hours_behind is not known", "not known"),
        ("late_share <= much", "late_share <= much"),
        ("something else", "something else"),
        ("received", "received"),
    ],
)
def test_what_is_asked_is_in_words(recorded, said):
    assert wording.asked(recorded) == said


def test_names_and_reasons_are_spoken():
    assert wording.sentence("kpis_are_complete") == "KPIs are complete"
    assert wording.reason("most_lines_are_new: observed 3") == "Most lines are new: observed 3"
    assert wording.reason("A person said: no") == "A person said: no"
    assert wording.measure_in("no such line") == ""


def days(*states: tuple[int, float, str]):
    return [Day("t", TODAY - timedelta(days=ago), score, state, 5, 0, 0, None) for ago, score, state in states]


def test_a_sparkline_breaks_where_nothing_was_loaded():
    drawn = drawing.sparkline(days((30, 1, "passed"), (20, 100, "passed"), (19, 90, "held"), (3, 10, "passed")), TODAY)
    assert drawn.count("<polyline") == 1
    assert drawn.count("<circle") == 2  # the held one, and the last, which stands alone
    assert 'aria-label="Scores of 3 of the last 28 days: lowest 10, newest 10"' in drawn
    assert drawing.sparkline(days((40, 1, "passed")), TODAY) == ""


def test_a_calendar_marks_what_colours_alone_would_say():
    drawn = drawing.calendar(
        days((0, 100, "passed"), (1, 40, "held"), (2, 80, "released"), (400, 1, "held")), TODAY, lambda _day: None
    )
    assert drawn.count("<title>") == 3
    assert drawn.count('<path class="mark"') == 1
    assert drawn.count('<circle class="mark"') == 1
    assert "<a " not in drawn
    assert "2026-05-30: 40.0, held" in drawn
    assert drawn.count("h12v12h-12z") == 26 * 7 - 3  # TODAY is a Sunday


@pytest.mark.parametrize(
    ("score", "kind"), [(100, "s5"), (99.9, "s4"), (95, "s4"), (85, "s3"), (70, "s2"), (69.9, "s1"), (0, "s1")]
)
def test_a_score_has_a_colour(score, kind):
    assert drawing.grade(score) == kind


def test_the_address_of_a_page(tmp_path):
    chosen = load_settings(state_dir=tmp_path / "with space")
    assert chosen.data_docs_dir == tmp_path / "with space" / "data_docs"
    chosen = load_settings(data_docs_dir=tmp_path / "with space", data_docs_url=None)
    assert data_docs.data_docs_url(chosen) == f"file://{tmp_path}/with%20space/index.html"
    chosen = load_settings(data_docs_url="https://quality.example/docs/")
    page = data_docs.tenant_page("kirana")
    assert data_docs.data_docs_url(chosen, page) == "https://quality.example/docs/tenants/kirana.html"
