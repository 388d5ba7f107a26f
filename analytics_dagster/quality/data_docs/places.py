"""Where a page of the Data Docs lives, and what its address is."""

import hashlib
import re
from pathlib import Path

from analytics_dagster.settings import Settings

INDEX = "index.html"
KINDS = ("tenants", "runs", "suites")
# all that there is to read: a server hands out nothing else, whatever else lies in the folder
PAGE = re.compile(rf"index\.html|(?:{'|'.join(KINDS)})/[a-z0-9_][a-z0-9_-]{{0,79}}\.html")
_PLAIN = re.compile(r"[a-z0-9][a-z0-9_-]{0,79}")


def slug(name: str) -> str:
    """A name as part of a path: as it is when it is plain, as every tenant's id, else a digest of it."""
    if _PLAIN.fullmatch(name):
        return name
    # a plain name never begins with _, so the two cannot meet
    return f"_{hashlib.sha256(name.encode('utf-8', 'backslashreplace')).hexdigest()[:32]}"


def tenant_page(tenant_id: str) -> str:
    return f"tenants/{slug(tenant_id)}.html"


def run_page(judgement_id: int) -> str:
    return f"runs/{judgement_id}.html"


def suite_page(suite: str) -> str:
    return f"suites/{slug(suite)}.html"


def pages_in(folder: Path) -> set[str]:
    """The pages that are there."""
    found = {f"{kind}/{file.name}" for kind in KINDS for file in (folder / kind).glob("*.html")}
    return {page for page in found if PAGE.fullmatch(page)}


def data_docs_url(chosen: Settings, page: str = INDEX) -> str:
    """The address that a link to a page of the Data Docs has: of the server that hands them out, else of the file."""
    if chosen.data_docs_url:
        return f"{chosen.data_docs_url.rstrip('/')}/{page}"
    return (chosen.data_docs_dir / page).as_uri()
