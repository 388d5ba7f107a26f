"""What an event says in its properties, by its name. How often it happens is not decided here."""

from collections.abc import Callable
from random import Random

from analytics_dagster.sample.people import Person

Properties = dict[str, object]

_PAGES = ("home", "library", "settings", "discover", "help", "offers")
_FEATURES = ("ledger", "forecast", "invoice", "import", "dashboard", "approval", "search", "audit")
_CATALOGUE = 20_000


def properties(name: str, person: Person, vigour: float, rng: Random) -> Properties:
    write = _WORDING.get(name)
    return write(person, vigour, rng) if write else {}


def money(hundredths: int) -> str:
    return f"{hundredths // 100}.{hundredths % 100:02d}"


def _item(person: Person, vigour: float, rng: Random) -> int:
    """New things are found by people with vigour; whoever is leaving returns to the familiar."""
    if rng.random() < 0.45 * vigour:
        return int(_CATALOGUE * rng.random() ** 2)
    return rng.choice(person.familiar)


def _play(person: Person, vigour: float, rng: Random) -> Properties:
    whole = rng.random() < 0.6 + 0.25 * vigour
    length = 120 + int(180 * rng.random())
    return {
        "track_id": f"trk-{_item(person, vigour, rng):05d}",
        "duration_seconds": length if whole else int(length * (0.3 + 0.6 * rng.random())),
        "completed": whole,
    }


def _skip(person: Person, vigour: float, rng: Random) -> Properties:
    return {"track_id": f"trk-{_item(person, vigour, rng):05d}", "position_seconds": 1 + int(40 * rng.random())}


def _page(person: Person, _vigour: float, rng: Random) -> Properties:
    return {"path": f"/{rng.choice(_PAGES)}", "device": person.device}


def _product(person: Person, vigour: float, rng: Random) -> Properties:
    return {"product_id": f"sku-{_item(person, vigour, rng):05d}", "device": person.device}


def _order(_person: Person, vigour: float, rng: Random) -> Properties:
    return {"order_id": f"ord-{rng.getrandbits(48):012x}", "items": 1 + int(4 * rng.random() * vigour)}


def _feature(person: Person, vigour: float, rng: Random) -> Properties:
    reach = len(_FEATURES) if rng.random() < 0.45 * vigour else 3
    return {
        "feature": _FEATURES[(person.index + int(reach * rng.random())) % len(_FEATURES)],
        "duration_ms": 40 + int(900 * rng.random()),
    }


def _article(person: Person, vigour: float, rng: Random) -> Properties:
    return {
        "article_id": f"art-{_item(person, vigour, rng):05d}",
        "read_seconds": 10 + int(240 * rng.random() * (0.4 + 0.6 * vigour)),
    }


_WORDING: dict[str, Callable[[Person, float, Random], Properties]] = {
    "track_play": _play,
    "track_skip": _skip,
    "page_viewed": _page,
    "product_viewed": _product,
    "cart_changed": _product,
    "cart_abandoned": _product,
    "order_placed": _order,
    "feature_used": _feature,
    "action_undone": _feature,
    "article_read": _article,
    "article_closed": _article,
    "article_shared": lambda p, v, rng: {"article_id": f"art-{_item(p, v, rng):05d}", "to": "mail"},
    "search_performed": lambda _p, _v, rng: {"words": 1 + int(4 * rng.random()), "results": int(60 * rng.random())},
    "playlist_changed": lambda p, v, rng: {"added": f"trk-{_item(p, v, rng):05d}"},
    "report_exported": lambda _p, _v, rng: {"format": rng.choice(("pdf", "csv", "xlsx"))},
    "comment_added": lambda _p, _v, rng: {"length": 5 + int(200 * rng.random())},
    "support_ticket_opened": lambda _p, _v, rng: {"topic": rng.choice(("billing", "quality", "login", "cancel"))},
    "api_called": lambda _p, v, rng: {"quantity": 1 + int(400 * rng.random() * v), "endpoint": "/v1/entries"},
    "app_error": lambda p, _v, rng: {"code": rng.choice(("E101", "E204", "E307")), "device": p.device},
}
