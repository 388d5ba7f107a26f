"""README and docs against the code: every command, option, variable, table, path and link that they name exists.

A document that drifts is found here, not by a newcomer. What the sentences mean, no test can know.
"""

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import typer.main

from analytics_dagster.cli import app
from analytics_dagster.settings import INTERNAL_VARIABLES, TEST_VARIABLES, known_variables
from analytics_dagster.warehouse.migrations import available

ROOT = Path(__file__).parent.parent
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")), *sorted((ROOT / "deploy").rglob("*.md"))]
NAMES = [document.relative_to(ROOT).as_posix() for document in DOCUMENTS]
BIGGEST_PICTURE = 300_000  # bytes

FENCE = re.compile(r"^ *```\w*\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"`([^`\n]+)`")
LINK = re.compile(r"\]\(([^)\s]+)\)|(?:src|href)=\"([^\"]+)\"")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
MAKE = re.compile(r"(?<![\w./-])make((?: [a-z][a-z-]*)+)")
COMMAND = re.compile(r"(?<![\w-])analytics-dagster ([^\n|;`]*)")
VARIABLE = re.compile(r"\bANALYTICS_[A-Z_]+\b")
TABLE = re.compile(
    r"(?<![/\w])(raw|quality|pipeline|tenancy|ml|billing|compliance|staging|intermediate|marts)\.([a-z_]+)\b(?!\.|\()"
)
PATH = re.compile(r"(?<![\w<>/.=-])\.?[\w.-]+(?:/[\w.-]+)+/?|\b[\w-]+\.(?:md|py|sql|ya?ml|toml|lock)\b")

# What a reader makes, what a run makes, or what is a file of the state folder
MADE = re.compile(r"^(?:\.venv/|var\b|mine/|warehouse/server\.log$|billing/<|compliance/<)")
EXAMPLES = {"roles.sql"}


def code(text: str) -> str:
    """What stands in code: whole blocks, and words between backticks, a line each."""
    return "\n".join([*FENCE.findall(text), *INLINE.findall(FENCE.sub("", text))])


def wrong_targets(text: str) -> list[str]:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    return [name for names in MAKE.findall(code(text)) for name in names.split() if name not in targets]


def wrong_variables(text: str) -> list[str]:
    return sorted(set(VARIABLE.findall(text)) - known_variables() - INTERNAL_VARIABLES - TEST_VARIABLES)


@cache
def commands() -> dict[str, set[str]]:
    group = typer.main.get_command(app)
    return dict(_options(group, ""))


def _options(group: Any, within: str) -> Iterator[tuple[str, set[str]]]:
    """The options of each command, and of those within it, such as `quarantine list`."""
    for name, command in getattr(group, "commands", {}).items():
        yield (
            f"{within}{name}",
            {option for parameter in command.params for option in [*parameter.opts, *parameter.secondary_opts]},
        )
        yield from _options(command, f"{within}{name} ")


def wrong_commands(text: str) -> Iterator[str]:
    for line in COMMAND.findall(code(text)):
        ours = line.partition(" -- ")[0]  # what follows is another program's
        words = [word for word in re.sub(r"\"[^\"]*\"?|'[^']*'?|#.*", "", ours).split() if word != "\\"]
        if not words or words[0].endswith(")"):
            continue
        name, words = words[0].rstrip(")"), words[1:]
        while words and f"{name} {words[0]}" in commands():
            name, words = f"{name} {words[0]}", words[1:]
        options = [word.partition("=")[0].rstrip(')"') for word in words]
        if name not in commands():
            yield f"analytics-dagster {name}"
            continue
        yield from (
            f"analytics-dagster {name} {option}"
            for option in options
            if option.startswith("-") and option != "-" and option not in commands()[name]
        )


@cache
def tables() -> set[str]:
    made = {
        f"{schema}.{name}"
        for migration in available()
        for schema, name in re.findall(r"create (?:table|function) (\w+)\.(\w+)", migration.text)
    }
    models = (ROOT / "dbt_project/models").rglob("*.sql")
    return made | {f"{model.relative_to(ROOT / 'dbt_project/models').parts[0]}.{model.stem}" for model in models}


def wrong_tables(text: str) -> list[str]:
    return sorted({f"{schema}.{name}" for schema, name in TABLE.findall(code(text))} - tables())


def wrong_paths(text: str) -> Iterator[str]:
    for word in sorted({word for line in code(text).splitlines() for word in words_that_are_paths(line)}):
        if not (ROOT / word).exists():
            yield word


def words_that_are_paths(line: str) -> Iterator[str]:
    """Those that begin in the project; others, such as a landing folder or an address, are the reader's."""
    if "://" in line:
        line = re.sub(r"\w+://\S+", "", line)
    for match in PATH.finditer(line):
        word = match[0].rstrip(".")
        known_start = (ROOT / word.split("/")[0]).exists() or "/" not in word
        is_file = bool(re.search(r"\.(md|py|sql|ya?ml|toml|lock)$", word))
        placeholder = line[match.end() : match.end() + 1] in {"<", "*"}
        if (known_start or is_file) and not placeholder and not MADE.match(word) and word not in EXAMPLES:
            yield word


def anchors(document: Path) -> set[str]:
    headings = HEADING.findall(FENCE.sub("", document.read_text(encoding="utf-8")))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def wrong_links(text: str, document: Path) -> Iterator[str]:
    for pair in LINK.findall(FENCE.sub("", text)):
        link = pair[0] or pair[1]
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (document.parent / path).resolve() if path else document
        if not target.is_relative_to(ROOT) or not target.exists():
            yield link
        elif anchor and anchor not in anchors(target):
            yield f"{link} (no such heading)"


@pytest.mark.parametrize("document", DOCUMENTS, ids=NAMES)
def test_what_a_document_names_exists(document: Path) -> None:
    text = document.read_text(encoding="utf-8")
    assert wrong_targets(text) == []
    assert wrong_variables(text) == []
    assert list(wrong_commands(text)) == []
    assert wrong_tables(text) == []
    assert list(wrong_paths(text)) == []
    assert list(wrong_links(text, document)) == []


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("`make runs`", "runs"),
        ("```sh\nmake lint tests\n```", "tests"),
        ("set ANALYTICS_SAMPLES", "ANALYTICS_SAMPLES"),
        ("`analytics-dagster start`", "analytics-dagster start"),
        ("`.venv/bin/analytics-dagster run --jsn`", "analytics-dagster run --jsn"),
        (
            "```sh\nanalytics-dagster sql --tenants kirana \"select '--no option'\"\n```",
            "analytics-dagster sql --tenants",
        ),
        ("`analytics-dagster quarantine list --tenants kirana`", "analytics-dagster quarantine list --tenants"),
        ("`raw.quarantined`", "raw.quarantined"),
        ("```sql\nselect * from marts.kpi_weekly\n```", "marts.kpi_weekly"),
        ("`analytics_dagster/ingests/`", "analytics_dagster/ingests/"),
        ("`CHANGES.md`", "CHANGES.md"),
        ("[it](docs/nowhere.md)", "docs/nowhere.md"),
        ("[it](docs/operations.md#nowhere)", "docs/operations.md#nowhere (no such heading)"),
        ('<img src="docs/pictures/nothing.png">', "docs/pictures/nothing.png"),
    ],
)
def test_what_does_not_exist_is_found(text: str, found: str) -> None:
    assert [
        *wrong_targets(text),
        *wrong_variables(text),
        *wrong_commands(text),
        *wrong_tables(text),
        *wrong_paths(text),
        *wrong_links(text, ROOT / "README.md"),
    ] == [found]


def test_what_is_anothers_is_left_alone() -> None:
    text = (
        "make a cake. `analytics-dagster exec -- dagster run list --limit 5`, `mine/landing/<day>/x.ndjson`, "
        "`postgresql://user@host/raw`, `.venv/bin/python`, [it](https://example.com/x.md)"
    )
    assert wrong_targets(text) == wrong_tables(text) == []
    assert [*wrong_commands(text), *wrong_paths(text), *wrong_links(text, ROOT / "README.md")] == []


@pytest.mark.parametrize("folder", ["decisions", "runbooks"])
def test_the_index_of_a_folder_lists_every_page_once(folder: str) -> None:
    index = (ROOT / "docs" / folder / "README.md").read_text(encoding="utf-8")
    pages = sorted(page.name for page in (ROOT / "docs" / folder).glob("*.md") if page.name != "README.md")
    assert sorted(re.findall(r"\]\(([\w-]+\.md)\)", index)) == pages


def test_decisions_are_numbered_short_and_of_one_form() -> None:
    pages = sorted((ROOT / "docs/decisions").glob("[0-9]*.md"))
    assert [int(page.name[:4]) for page in pages] == list(range(1, len(pages) + 1))
    for number, page in enumerate(pages, start=1):
        text = page.read_text(encoding="utf-8")
        assert text.startswith(f"# {number}. "), page.name
        assert re.findall(r"^\*\*(\w+)\.\*\*", text, re.MULTILINE) == ["Context", "Decision", "Consequences"], page.name
        assert len(text.splitlines()) <= 25, page.name


def test_pictures_are_small_and_used() -> None:
    shown = {
        Path(link).name for pair in LINK.findall((ROOT / "README.md").read_text(encoding="utf-8")) for link in pair
    }
    for picture in (ROOT / "docs/pictures").iterdir():
        assert picture.stat().st_size < BIGGEST_PICTURE, picture.name
        assert picture.name in shown, picture.name


def test_the_readme_names_the_pythons_that_make_takes() -> None:
    bootstrap = (ROOT / "scripts/bootstrap.sh").read_text(encoding="utf-8")
    oldest, newest = (re.search(rf"^{name}=(\d+)", bootstrap, re.MULTILINE) for name in ("OLDEST", "NEWEST"))
    assert oldest
    assert newest
    assert f"Python 3.{oldest[1]} to 3.{newest[1]}" in (ROOT / "README.md").read_text(encoding="utf-8")
