"""The mutants. Guards are removed from the table of transitions itself: no test drawn from that table sees it."""

from __future__ import annotations

from tests.mutants.edits import LIFECYCLE, MACHINE, MOVES, STATEMENTS, one, without
from tests.mutants.mutant import Edit, Mutant
from tests.mutants.pauses import PAUSING, STEPPING

FENCES = ("tests/jobs/test_machine_fences.py",)
LIVES = ("tests/jobs/test_lifecycle.py",)
LOG = ("tests/stream/test_log.py",)
CONNECTIONS, ARRIVALS = ("tests/llm/test_connections.py",), ("tests/llm/test_arrivals.py",)
SCORE, SCORES = ("tests/stream/test_score.py",), ("tests/jobs/test_scores.py",)

_CLAIM = "guards=frozenset({Guard.LIVE, Guard.DUE, Guard.UNBLOCKED, Guard.UNCANCELLED, Guard.FEW_CRASHES}),"
_HELD = "_HELD = frozenset({Guard.ATTEMPT, Guard.LEASE})"
_ORPHANED = "_ORPHANED = frozenset({Guard.ATTEMPT, Guard.LAPSED})"
_UNOWNED = "leaves=UNOWNED,\n    enters=frozenset({Status.FAILED, Status.CANCELLED}),\n    "


GUARDS = (
    without("held-without-attempt", "an older attempt writes nothing", _HELD, "ATTEMPT", FENCES),
    without("held-without-lease", "who was let go writes nothing", _HELD, "LEASE", FENCES),
    without("orphan-without-attempt", "a late reaper takes nothing from a later attempt", _ORPHANED, "ATTEMPT", FENCES),
    without("orphan-without-lapsed", "who lives loses nothing", _ORPHANED, "LAPSED", FENCES),
    without("claim-without-live", "a lapsed lease claims nothing", _CLAIM, "LIVE", LIVES),
    without("claim-without-due", "a wait lasts as long as it was to last", _CLAIM, "DUE", FENCES),
    without("claim-without-unblocked", "one reply at a time in a branch", _CLAIM, "UNBLOCKED", LIVES),
    without("claim-without-uncancelled", "what is cancelled does not begin", _CLAIM, "UNCANCELLED", LIVES),
    without("claim-without-few-crashes", "a reply's last try is made alone", _CLAIM, "FEW_CRASHES", MACHINE),
    one(
        "end-unowned-without-attempt",
        "a late reaper ends nothing of a later attempt",
        Edit(MOVES, _UNOWNED + "guards=frozenset({Guard.ATTEMPT}),", _UNOWNED + "guards=frozenset(),"),
        FENCES,
    ),
    one(
        "wake-without-due",
        "a wait lasts as long as it was to last",
        Edit(MOVES, "guards=frozenset({Guard.DUE}),", "guards=frozenset(),"),
        FENCES,
    ),
    one(
        "update-without-status",
        "an UPDATE names the state it leaves",
        Edit(STATEMENTS, 'bindparam("job"), leaves, *guards)', 'bindparam("job"), *guards)'),
        MACHINE,
    ),
    one(
        "update-without-guards",
        "an UPDATE names attempt and lease",
        Edit(STATEMENTS, 'bindparam("job"), leaves, *guards)', 'bindparam("job"), leaves)'),
        MACHINE,
    ),
    one(
        "finish-twice",
        "terminal is final",
        Edit(
            MOVES,
            '"finish",\n    leaves=_PROCESSING,\n    enters=TERMINAL,\n    guards=_HELD,',
            '"finish",\n    leaves=_PROCESSING | TERMINAL,\n    enters=TERMINAL,\n    guards=_HELD - {Guard.LEASE},',
        ),
        ("tests/chat/test_finishing.py",),
    ),
)

COUNTS = (
    one(
        "claim-keeps-the-attempt",
        "each claim has a number of its own",
        Edit(STATEMENTS, "attempt=_job.attempt + 1,", "attempt=_job.attempt,"),
        LIVES,
    ),
    one(
        "claim-keeps-the-text",
        "retries replace, never repeat",
        Edit(STATEMENTS, "checkpoint=_job.settled,\n", "checkpoint=_job.checkpoint,\n"),
        LIVES,
    ),
    one(
        "recover-counts-no-crash",
        "what kills its workers fails after some crashes",
        Edit(
            LIFECYCLE,
            "crashes=Job.crashes + 1,\n        next_publish_at=now(),",
            "crashes=Job.crashes,\n        next_publish_at=now(),",
        ),
        ("tests/jobs/test_reaper.py",),
    ),
    Mutant(
        "hand-over-counts-a-crash",
        "a stopped worker costs nothing",
        (
            Edit(
                LIFECYCLE,
                "outcome=HANDED_OVER,\n        status=Status.PENDING,",
                "outcome=HANDED_OVER,\n        crashes=Job.crashes + 1,\n        status=Status.PENDING,",
            ),
            Edit(
                MOVES,
                'guards=_HELD,\n    sets=frozenset({"status", "lease_id", "next_publish_at"}),',
                'guards=_HELD,\n    sets=frozenset({"status", "lease_id", "next_publish_at", "crashes"}),',
            ),
        ),
        LIVES,
    ),
)

CALLS = (
    one(
        "late-cut-ends-another-call",
        "a call that has ended holds no connection of others",
        Edit(
            "app/llm/call.py",
            "                self._sockets.remove(sock)\n            return self.cut_reason is None",
            "                pass\n            return self.cut_reason is None",
        ),
        CONNECTIONS,
    ),
    one(
        "closed-connection-is-taken",
        "what the server has closed is not used again",
        Edit("app/llm/connections.py", "if connection.is_quiet():", "if connection.is_quiet() or True:"),
        CONNECTIONS,
    ),
    one(
        "deciphered-is-left-lying",
        "what has come is told, without waiting for more",
        Edit("app/llm/transport.py", "early + sock.recv(waiting) if waiting else early", "early"),
        ARRIVALS,
    ),
    one(
        "one-ends-all",
        "what ends one call is no matter of the others",
        Edit("app/llm/arrivals.py", "            outcome = error  #", "            raise error  #"),
        ARRIVALS,
    ),
    one(
        "cut-body-is-whole",
        "a body that was cut is not taken for its end",
        Edit("app/llm/framing.py", "    if not fits:", "    if not fits and False:"),
        ("tests/llm/test_framing.py",),
    ),
    one(
        "silent-connection-is-trusted",
        "what Redis has closed is not used again",
        Edit("app/redis_client.py", "if not timeout and time.monotonic()", "if not timeout or time.monotonic()"),
        ("tests/test_redis_client.py",),
    ),
    one(
        "looked-for-once",
        "who reads is looked for as long as it reads",
        Edit("app/stream/hub.py", "            self._turns.extend(here)\n", ""),
        ("tests/stream/test_hub.py",),
    ),
)

ELSEWHERE = (
    one(
        "renew-revives",
        "lapsed once, lapsed for ever",
        Edit(
            "app/jobs/lease.py",
            ".where(WorkerLease.id == lease_id, WorkerLease.expires_at > now())\n            .values",
            ".where(WorkerLease.id == lease_id)\n            .values",
        ),
        ("tests/jobs/test_lease.py",),
    ),
    one(
        "presence-ignores-the-lapse",
        "who may have lost its lease is silent",
        Edit(
            "app/jobs/presence.py",
            "return time.monotonic() < self._safe_until and lease_id == self.lease_id",
            "return lease_id == self.lease_id",
        ),
        ("tests/jobs/test_presence.py",),
    ),
    one(
        "publish-before-the-commit",
        "a wake-up finds its row",
        Edit(
            "app/chat/sending.py",
            "            once.keep(session, render(sent))\n",
            "            once.keep(session, render(sent))\n"
            "        if sent.reply.queue_position is None and sent.reply.job_id is not None:\n"
            "            telling.queue.publish(sent.reply.job_id, PROCESS_MESSAGE, telling.queue.REPLIES)\n",
        ),
        FENCES,
    ),
    one(
        "publish-before-the-last-step",
        "what is refused wakes nobody",
        Edit(
            "app/chat/sending.py",
            "        sent = store(session)\n",
            "        sent = store(session)\n"
            "        assert sent.reply.job_id is not None\n"
            "        telling.queue.publish(sent.reply.job_id, PROCESS_MESSAGE, telling.queue.REPLIES)\n",
        ),
        ("tests/chat/test_sending.py",),
    ),
    one(
        "log-takes-older-attempts",
        "nothing of an older attempt is appended",
        Edit(
            "app/stream/log.py",
            "highest == 'done' or (highest and tonumber(attempt) < tonumber(highest))",
            "highest == 'done'",
        ),
        LOG,
    ),
    one(
        "log-takes-more-after-the-end",
        "nothing is appended after the end",
        Edit("app/stream/log.py", "ending == '1' and 'done' or attempt", "attempt"),
        LOG,
    ),
    one(
        "checkpoint-outlives-a-reset",
        "what was taken back is in no row",
        Edit(
            "app/chat/keeping.py",
            "lifecycle.checkpoint(session, self.run.claim, to.text, to.score)",
            "lifecycle.checkpoint(session, self.run.claim, self._noted().text, to.score)",
        ),
        ("tests/chat/test_keeping.py",),
    ),
    one(
        "announced-before-it-is-told",
        "every end is told, whatever Redis does",
        Edit(
            "app/chat/finishing.py",
            "    cursor = _tell_of_end(*ended)\n",
            "    _mark_announced(job_id, None)\n    cursor = _tell_of_end(*ended)\n",
        ),
        ("tests/chat/test_following_without_redis.py",),
    ),
)

NUMBERS = (
    one(
        "older-score-replaces-newer",
        "a number that was given means the same for ever",
        Edit(
            STATEMENTS,
            "_is_older = func.length(_job.score) > func.length(_score)",
            "_is_older = func.length(_job.score) < 0",
        ),
        SCORES,
    ),
    one(
        "claim-forgets-what-is-lost",
        "a number that was given means the same for ever",
        Edit(STATEMENTS, "else_=_job.lost),\n    started_at", 'else_=""),\n    started_at'),
        SCORES,
    ),
    one(
        "attempt-begins-without-reserve",
        "no number is given twice",
        Edit("app/stream/score.py", "        self._skip(_RESERVED)\n", ""),
        SCORE,
    ),
    one(
        "reader-ahead-is-left-ahead",
        "every reader is told all that stays",
        Edit("app/stream/score.py", "            self._skip(_REJOIN)\n", "            pass\n"),
        SCORE,
    ),
    one(
        "kept-delta-is-lengthened",
        "a number that was given means the same for ever",
        Edit(
            "app/stream/score.py", "        self._may_join = False\n        return _ENCODER", "        return _ENCODER"
        ),
        SCORE,
    ),
    one(
        "rest-that-was-taken-up-counts",
        "a number that was given means the same for ever",
        Edit("app/stream/score.py", "if self._marks and self._marks[-1] == REST:", "if REST in self._marks:"),
        SCORE,
    ),
)

MUTANTS = {mutant.name: mutant for mutant in GUARDS + PAUSING + STEPPING + COUNTS + CALLS + ELSEWHERE + NUMBERS}
