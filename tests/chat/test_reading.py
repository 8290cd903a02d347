"""What is read together is of one moment, whatever workers commit in between."""

from __future__ import annotations

import threading

from flask import Flask
from sqlalchemy import event

from app.chat import reading
from app.extensions import db
from app.models import Status
from tests.chat.acting import Acting
from tests.support import rows


def test_a_reply_that_ends_while_it_is_read_is_read_running_or_ended_but_not_half(app: Flask) -> None:
    user_id = rows.a_user()
    acting = Acting(user_id).begin().say("Once upon a time").keep()
    asked: list[str] = []

    def end() -> None:
        with app.app_context():
            acting.end()

    def after_the_first(*arguments: object) -> None:
        asked.append(str(arguments[2]))
        if sum("FROM messages" in statement for statement in asked) == 1 and "FROM messages" in asked[-1]:
            ending = threading.Thread(target=end)
            ending.start()
            ending.join(10)

    event.listen(db.engine, "after_cursor_execute", after_the_first)
    message = reading.get(user_id, acting.reply_id)
    event.remove(db.engine, "after_cursor_execute", after_the_first)
    assert (message.status, message.finish_reason) == (Status.PROCESSING, None)
    after = reading.get(user_id, acting.reply_id)
    assert (after.status, after.finish_reason, after.content) == (Status.COMPLETED, "stop", "Once upon a time")
