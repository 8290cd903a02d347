"""The mutants of steps, tool calls, questions and waits."""

from __future__ import annotations

from tests.mutants.edits import LIFECYCLE, MACHINE, MOVES, STATEMENTS, one, without
from tests.mutants.mutant import Edit

PAUSES = ("tests/jobs/test_machine_pauses.py",)
STEPS = ("tests/chat/test_committed_steps.py",)
TOOLS = ("tests/chat/test_tool_interrupted.py",)

_ANSWER = "guards=frozenset({Guard.ACTION, Guard.IN_TIME, Guard.UNCANCELLED}),"
_SETTLE = 'guards=_HELD,\n    sets=frozenset({"settled", "checkpoint", "score", "lost"}),'
_ASK = 'guards=_HELD,\n    sets=frozenset({"status", "lease_id", "action_id", "action_expires_at", "deadline_at"}),'


def _uncancelled_of(name: str, enters: str) -> tuple[str, str]:
    """The lines of a person's transition out of a wait, with that guard and without."""
    before = f'"{name}",\n    leaves=frozenset({{Status.WAITING}}),\n    enters={enters},\n    '
    return before + "guards=frozenset({Guard.UNCANCELLED}),", before + "guards=frozenset(),"


PAUSING = (
    without("answer-without-action", "an answer is to what is asked now", _ANSWER, "ACTION", PAUSES),
    without("answer-without-in-time", "who answers too late changes nothing", _ANSWER, "IN_TIME", PAUSES),
    without("answer-without-uncancelled", "what is cancelled does not go on", _ANSWER, "UNCANCELLED", PAUSES),
    one(
        "settle-without-attempt",
        "an older attempt commits no step",
        Edit(MOVES, _SETTLE, _SETTLE.replace("_HELD", "_HELD - {Guard.ATTEMPT}")),
        PAUSES,
    ),
    one(
        "settle-without-lease",
        "who was let go commits no step",
        Edit(MOVES, _SETTLE, _SETTLE.replace("_HELD", "_HELD - {Guard.LEASE}")),
        PAUSES,
    ),
    one(
        "ask-without-attempt",
        "an older attempt asks nothing",
        Edit(MOVES, _ASK, _ASK.replace("_HELD", "_HELD - {Guard.ATTEMPT}")),
        PAUSES,
    ),
    one(
        "ask-without-lease",
        "who was let go asks nothing",
        Edit(MOVES, _ASK, _ASK.replace("_HELD", "_HELD - {Guard.LEASE}")),
        PAUSES,
    ),
    one(
        "hasten-without-uncancelled",
        "what is cancelled does not go on",
        Edit(MOVES, *_uncancelled_of("hasten", "_PENDING")),
        PAUSES,
    ),
    one(
        "snooze-without-uncancelled",
        "what is cancelled ends at once",
        Edit(MOVES, *_uncancelled_of("snooze", "_STAYS")),
        PAUSES,
    ),
    one(
        "claim-forgets-what-is-settled",
        "what is committed stays",
        Edit(STATEMENTS, "checkpoint=_job.settled,\n", 'checkpoint="",\n'),
        MACHINE,
    ),
    one(
        "checkpoint-overtakes-a-step",
        "what is committed stays",
        Edit(
            STATEMENTS,
            "func.length(_job.settled) > func.length(_text), _job.settled)",
            "func.length(_job.settled) < 0, _job.settled)",
        ),
        PAUSES,
    ),
    one(
        "hasten-keeps-the-deadline",
        "the time to work is the same after every pause",
        Edit(
            LIFECYCLE,
            "left = _seconds_left(session, job_id, Job.wake_at)\n    return _move(",
            "left = 10_000.0\n    return _move(",
        ),
        PAUSES,
    ),
)

STEPPING = (
    one(
        "call-run-before-it-is-begun",
        "a tool call that may not be repeated runs at most once",
        Edit(
            "app/chat/calling.py",
            "        self._tell(*self._progress.begin({UUID(one.id): one.tool.idempotent for one in left}))\n",
            "        early = list(self._runner.run(left, toolbox.context_of(self._settings, self._work, self._run)))\n"
            "        assert len(early) == len(left)\n"
            "        self._tell(*self._progress.begin({UUID(one.id): one.tool.idempotent for one in left}))\n",
        ),
        STEPS,
    ),
    one(
        "call-repeated-after-a-crash",
        "a call whose outcome is unknown is never silently repeated",
        Edit(
            "app/chat/calling.py",
            "elif call.status == PROCESSING and not call.idempotent:",
            "elif call.status == PROCESSING and call.name == '':",
        ),
        TOOLS,
    ),
    one(
        "call-tried-again-though-not-idempotent",
        "a call that failed is tried again only where that does no harm",
        Edit(
            "app/chat/calling.py",
            "if again and call.tool.idempotent and POLICIES",
            "if again and POLICIES",
        ),
        STEPS,
    ),
    one(
        "step-without-the-guard",
        "only who holds a reply commits its steps",
        Edit(
            "app/chat/progress.py",
            "                if held:\n                    write(session)\n            return held\n",
            "                write(session)\n            return True\n",
        ),
        STEPS,
    ),
    one(
        "steers-forgotten-after-a-lost-commit",
        "a message that steers is heard",
        Edit(
            "app/chat/progress.py",
            "            if texts := steering.take_steers(",
            "            taken.clear()\n            if texts := steering.take_steers(",
        ),
        STEPS,
    ),
    one(
        "take-back-to-nothing",
        "what is committed stays",
        Edit(
            "app/chat/asking.py",
            "        settled = self._progress.settled\n        if",
            '        settled = ""\n        if',
        ),
        STEPS,
    ),
    one(
        "call-left-open-at-the-end",
        "no call stays open in a reply that has ended",
        Edit("app/chat/finishing.py", "        _close_calls(session, message.id, end.status)\n", "        pass\n"),
        STEPS,
    ),
    one(
        "their-call-closed-at-the-end",
        "what is for the caller to call stays open for them",
        Edit(
            "app/chat/finishing.py",
            "steps.OPEN - {steps.REQUIRES_ACTION} if status is Status.COMPLETED else steps.OPEN",
            "steps.OPEN",
        ),
        ("tests/chat/test_foreign_calls.py",),
    ),
    one(
        "their-call-made-by-us",
        "a function of the caller's is never run here",
        Edit("app/chat/calling.py", "if not self._box.is_foreign(call.name)]", "]"),
        ("tests/chat/test_foreign_calls.py",),
    ),
    one(
        "kept-what-was-not-to-be-stored",
        "what is not to be stored is gone with its end",
        Edit(
            "app/chat/finishing.py",
            "    .values(removed_at=case((_IS_NOT_STORED, now()), else_=_message.removed_at))\n",
            "",
        ),
        ("tests/chat/test_removing.py",),
    ),
)
