"""Declarations in a folder of YAML files: which files count, what is in one, and the words for their faults.

All faults of all files are told at once, each with its file and field. What a declaration means is its own module's.
"""

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from analytics_dagster.errors import AnalyticsError

Thing = TypeVar("Thing")
Model = TypeVar("Model", bound=BaseModel)

# libyaml reads ten times as fast as Python does; wheels of PyYAML bring it, a build from source may lack it
_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class FileFaultError(ValueError):
    """Why a file cannot be used, and what to do about it."""


@dataclass(frozen=True)
class Declared:
    """What the files of a folder declare, in the words of their errors."""

    what: str  # "tenant"
    setting: str  # that names the folder
    shown_in: str  # where every field is shown
    error: type[AnalyticsError]

    def paths(self, folder: Path) -> tuple[list[Path], list[str]]:
        """The files, by name; and what is wrong with other names."""
        try:
            visible = sorted(path for path in folder.iterdir() if not path.name.startswith("."))
        except OSError as error:
            raise self.error(
                f"the folder of the {self.what} files cannot be read: {error.strerror}",
                where=str(folder),
                remedy=f"create it, or correct {self.setting}",
            ) from None
        misnamed = [f"{path.name}: rename it to {path.stem}.yaml" for path in visible if path.suffix == ".yml"]
        return [path for path in visible if path.suffix == ".yaml"], misnamed

    def one_in_each(self, folder: Path, read: Callable[[Path], Thing | list[str]]) -> list[Thing]:
        """What `read` makes of each file, or all faults that it finds in them."""
        paths, faults = self.paths(folder)
        found: list[Thing] = []
        for path in paths:
            outcome = read(path)
            if isinstance(outcome, list):
                faults += [f"{path.name}: {fault}" for fault in outcome]
            else:
                found.append(outcome)
        if faults:
            self.refuse(folder, faults)
        return found

    def refuse(self, folder: Path, faults: Sequence[str]) -> NoReturn:
        article = "an" if self.what[0] in "aeiou" else "a"
        one = f"{article} {self.what} file cannot"
        count = one if len(faults) == 1 else f"{len(faults)} faults in {self.what} files that cannot"
        raise self.error(
            f"{count} be used: {'; '.join(faults)}",
            where=str(folder),
            remedy=f"correct each of them; {self.shown_in} show every field",
        )


def content_of(path: Path) -> object:
    """What a file says; or the fault that it has as a file."""
    try:
        text = path.read_text(encoding="utf-8-sig")
        # aliases could make a small file huge once it is written out: no file needs them
        if any(isinstance(token, yaml.AliasToken) for token in yaml.scan(text, Loader=_Loader)):
            raise FileFaultError("holds an alias (*name): write it out")
        return parsed(text)
    except FileFaultError:
        raise
    except OSError as error:
        raise FileFaultError(f"cannot be read ({error.strerror}): give the user of this process the right to") from None
    except UnicodeDecodeError:
        raise FileFaultError("is not UTF-8: save it as UTF-8") from None
    except (yaml.YAMLError, ValueError) as error:  # ValueError: what looks like a date and is none
        raise FileFaultError(f"is not plain YAML: {' '.join(str(error).split())}: correct this place") from None


def contract_in(
    path: Path, model: type[Model], advise: Callable[[tuple[int | str, ...], str, str], str]
) -> Model | list[str]:
    """What a file says, by its contract; or its faults, as `advise` words them."""
    try:
        return model.model_validate_json(json.dumps(content_of(path), default=str))
    except FileFaultError as fault:
        return [str(fault)]
    except ValidationError as error:
        return [advise(fault["loc"], fault["type"], fault["msg"]) for fault in error.errors()]
    except (TypeError, ValueError):  # a key that JSON does not know
        return ["has a key that is no text: put it in quotes"]


def parsed(text: str) -> object:
    """What plain YAML says, or a `yaml.YAMLError`."""
    return yaml.load(text, Loader=_Loader)  # noqa: S506 - a safe one


def advice(location: Sequence[int | str], rule: str, message: str, *, whole: str, known: Iterable[str]) -> str:
    """A fault that pydantic found, for the file's author; `whole`: what to call the declaration itself."""
    field = ".".join(str(part) for part in location) or f"({whole})"
    if rule == "missing":
        return f"{field}: is missing: add it"
    if rule == "extra_forbidden":
        return f"{field}: is not a field here: remove it, or use one of {', '.join(known)}"
    return f"{field}: {message[:1].lower()}{message[1:]}"
