"""What the load left behind: counts before and after it, as somebody measured them."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from app.check.errors import Unusable
from app.check.verdict import Invariant, Ledger

_SHARE = 0.05
_COUNT = 2.0


class Measured(BaseModel):
    """Connections, threads, files, keys, bytes: whatever has a name, before the load and after it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    before: dict[str, float]
    after: dict[str, float]


def read(path: Path) -> Measured:
    """Raises Unusable for what is no such file, or measures different things before and after."""
    try:
        measured = Measured.model_validate_json(path.read_bytes())
    except OSError as error:
        raise Unusable(f"{path} cannot be read: {error.strerror or error}.") from None
    except ValidationError:
        raise Unusable(f'{path} is not {{"before": {{name: number}}, "after": {{…}}}}.') from None
    if measured.before.keys() != measured.after.keys():
        raise Unusable(f"{path} measures different things before and after.")
    return measured


def check(ledger: Ledger, measured: Measured) -> None:
    """G11: within 5 %, or 2 where there are few. Less memory than before is no loss; fewer threads may be one."""
    for name, before in measured.before.items():
        ledger.examined(Invariant.G11, "resources")
        more = measured.after[name] - before
        if more < 0 and "memory" in name:
            continue
        if abs(more) > max(_SHARE * before, _COUNT):
            ledger.violated(Invariant.G11, name, f"was {before:g}, is {measured.after[name]:g}")
