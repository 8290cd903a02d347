"""What the replies of one worker process share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

from app.chat.keeping import Keeper
from app.chat.toolbox import Listing
from app.config import Settings
from app.jobs.presence import Presence
from app.llm.call import Watch
from app.stream.flusher import Flusher
from app.tools.running import Runner


@dataclass(frozen=True, slots=True)
class Workshop:
    """Made once by a process that writes replies.

    `listing` names the tools of servers. `apart` starts a reply in a process of its own, for one that has crashed its
    workers; None in such a process.
    """

    settings: Settings
    presence: Presence
    flusher: Flusher
    watch: Watch
    keeper: Keeper
    runner: Runner
    listing: Listing
    apart: Callable[[UUID], object] | None
