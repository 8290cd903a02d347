"""The scores of replies that have ended, played: what numbered readers are told comes to what is stored."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import Row, func, select

from app.chat.scores import first_number
from app.check.rows import Progress
from app.check.verdict import Invariant, Ledger
from app.database import reading
from app.models import Job, Message
from app.stream import score

_PAGE = 500


def check(ledger: Ledger, progress: Progress) -> None:
    """G4, as far as the numbered events of replies go."""
    for page in _pages(progress):
        for row in page:
            ledger.examined(Invariant.G4, "scores")
            output, _ = score.play(first_number(row.parameters), row.score, row.content)
            if not output.ended:
                ledger.violated(Invariant.G4, str(row.id), "has ended, but its score has not")
            elif output.text != row.content:
                what = f"its score comes to {len(output.text)} code points, {len(row.content)} are stored"
                ledger.violated(Invariant.G4, str(row.id), what)


def _pages(progress: Progress) -> Iterator[Sequence[Row[Any]]]:
    scored = (
        select(Message.id, Message.content, Message.parameters, Job.score)
        .join(Job, Job.id == Message.job_id)
        .where(Job.finished_at.is_not(None), Job.score != "")
        .order_by(Message.id)
        .limit(_PAGE)
    )
    with reading() as session:
        total = session.scalar(select(func.count()).select_from(scored.limit(None).order_by(None).subquery())) or 0
    done, after = 0, None
    while True:
        with reading() as session:
            page = session.execute(scored if after is None else scored.where(Message.id > after)).all()
        if not page:
            return
        yield page
        done, after = done + len(page), page[-1].id
        progress("scores", done, total)
