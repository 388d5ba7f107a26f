"""Take the tools of development out of an environment that was made from the whole lock (used by the Dockerfile).

What stays is what `analytics-dagster` needs without its extras, and pip.
"""

import subprocess
import sys
from importlib.metadata import PackageNotFoundError, distribution, distributions

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name


def needed(name: str) -> set[str]:
    """The packages that `name` needs here, itself included."""
    found: set[tuple[str, frozenset[str]]] = set()
    waiting: list[tuple[str, frozenset[str]]] = [(canonicalize_name(name), frozenset())]
    while waiting:
        one = waiting.pop()
        if one in found:
            continue
        try:
            lines = distribution(one[0]).requires or []
        except PackageNotFoundError:  # another package provides it, or it is for another system
            continue
        found.add(one)
        for requirement in map(Requirement, lines):
            extras = one[1] or {""}
            if not requirement.marker or any(requirement.marker.evaluate({"extra": e}) for e in extras):
                waiting.append((canonicalize_name(requirement.name), frozenset(requirement.extras)))
    return {package for package, _ in found}


def superfluous(name: str) -> list[str]:
    installed = {canonicalize_name(one.metadata["Name"]) for one in distributions()}
    return sorted(installed.difference(needed(name), {"pip"}))


if __name__ == "__main__":
    sys.exit(subprocess.call([sys.executable, "-m", "pip", "uninstall", "--yes", *superfluous("analytics-dagster")]))
