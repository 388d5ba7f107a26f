"""Apache Superset over one login of `analytics-dagster bi grant`; SUPERSET_CONFIG_PATH names this file.

The login's URL is BI_URL of the environment. Superset stores it nowhere: the imported data source names a host that
does not exist, and each connection to it is sent to BI_URL instead.
"""

import os
from typing import Any

from sqlalchemy.engine.url import URL, make_url

SECRET_KEY = os.environ["SUPERSET_SECRET_KEY"]

PLACEHOLDER = "bi-url.invalid"


def DB_CONNECTION_MUTATOR(  # noqa: N802 - the name that Superset looks for
    uri: URL, parameters: dict[str, Any], *_: object
) -> tuple[URL, dict[str, Any]]:
    if uri.host != PLACEHOLDER:
        return uri, parameters
    return make_url(os.environ["BI_URL"]).set(drivername="postgresql+psycopg2"), parameters


# The database decides at each question which rows are there: an answer that was kept would outlive a suspension, a
# revoked login, and another BI_URL.
DATA_CACHE_CONFIG = {"CACHE_TYPE": "NullCache"}

# As Superset's own, without the hosts outside (maps, a counter of visitors): it must work on a closed network.
TALISMAN_CONFIG = {
    "content_security_policy": {
        "base-uri": ["'self'"],
        "default-src": ["'self'"],
        "img-src": ["'self'", "blob:", "data:"],
        "worker-src": ["'self'", "blob:"],
        "connect-src": ["'self'"],
        "object-src": "'none'",
        "style-src": ["'self'", "'unsafe-inline'"],
        "font-src": ["'self'"],
        "script-src": ["'self'", "'strict-dynamic'"],
    },
    "content_security_policy_nonce_in": ["script-src"],
    "force_https": False,
    "session_cookie_secure": False,
}
