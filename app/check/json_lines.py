"""Files of JSON lines, as test clients and the fake provider write them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from app.check.errors import Unusable


def read(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each line's object with its place, "file:number". A last line that was cut is left out.

    Raises Unusable for what is no such file.
    """
    try:
        with path.open(encoding="utf-8") as file:
            for number, line in enumerate(file, 1):
                found = _object(line, f"{path.name}:{number}")
                if found is not None:
                    yield f"{path.name}:{number}", found
    except OSError as error:
        raise Unusable(f"{path} cannot be read: {error.strerror or error}.") from None
    except UnicodeDecodeError:
        raise Unusable(f"{path} is no text.") from None


def _object(line: str, place: str) -> dict[str, Any] | None:
    try:
        found = json.loads(line)
    except ValueError:
        if not line.endswith("\n"):
            return None  # whoever wrote it was killed
        found = None
    if not isinstance(found, dict):
        raise Unusable(f"{place} is no JSON object.")
    return found


def files(folder: Path, pattern: str) -> list[Path]:
    """The files of a folder and the folders in it, in order. Raises Unusable when there is none."""
    if not folder.is_dir():
        raise Unusable(f"{folder} is no folder.")
    found = sorted(path for path in folder.rglob(pattern) if path.is_file())
    if not found:
        raise Unusable(f"{folder} has no {pattern}.")
    return found
