"""The history a model is shown: items as turns, every call with its result behind it, attachments as it can see."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from app.chat import context, history
from app.chat.attaching import attachment
from app.chat.context import Work
from app.chat.history import Said
from app.chat.items import Given
from app.chat.objects import Sent
from app.chat.steps import NO_RESULT
from app.database import reading
from app.extensions import settings
from app.llm.types import JsonFormat, Named, Part, ToolCall, ToolSpec, Turn
from app.models import Message
from tests.chat.asking import PDF, PNG, WEATHER, assistant, job_of, offered, output, respond, url
from tests.support.shared_app import MakeApp

BONN = '{"place": "Bonn"}'


def work_of(sent: Sent) -> Work:
    with reading() as session:
        return context.gather(session, settings(), job_of(sent), datetime.now(UTC))


def turns(user_id: UUID, *items: Given | str) -> list[Turn]:
    return list(work_of(respond(user_id, *items)).request.turns)


def test_each_item_is_a_turn_of_its_role(user_id: UUID) -> None:
    shown = turns(user_id, Given("system", "Be brief."), "Hi", assistant("Hello."), "And?")
    assert [(turn.role, turn.content) for turn in shown] == [
        ("system", "Be brief."),
        ("user", "Hi"),
        ("assistant", "Hello."),
        ("user", "And?"),
    ]


def test_neighbouring_items_of_an_assistant_are_one_turn(user_id: UUID) -> None:
    shown = turns(
        user_id,
        "Weather?",
        assistant("Let me see."),
        assistant(a="weather"),
        assistant(b="weather"),
        output("b", "rain"),
        output("a", "sun"),
    )
    assert shown == [
        Turn("user", "Weather?"),
        Turn("assistant", "Let me see.", (ToolCall("a", "weather", BONN), ToolCall("b", "weather", BONN))),
        Turn("tool", "sun", tool_call_id="a"),
        Turn("tool", "rain", tool_call_id="b"),
    ]


def test_a_call_that_nobody_answered_is_answered_so_that_its_provider_takes_it(user_id: UUID) -> None:
    shown = turns(user_id, "Weather?", assistant(a="weather", b="weather"), output("b", "rain"), "Never mind.")
    assert [(turn.role, turn.content) for turn in shown[1:]] == [
        ("assistant", ""),
        ("tool", NO_RESULT),
        ("tool", "rain"),
        ("user", "Never mind."),
    ]


def test_an_answer_that_comes_late_stands_behind_its_call(user_id: UUID) -> None:
    shown = turns(user_id, "Weather?", assistant(a="weather"), "Well?", output("a", "sun"))
    assert [(turn.role, turn.content) for turn in shown] == [
        ("user", "Weather?"),
        ("assistant", ""),
        ("tool", "sun"),
        ("user", "Well?"),
    ]


def test_one_id_may_name_several_calls_each_with_its_own_answer(user_id: UUID) -> None:
    shown = turns(
        user_id, "One", assistant(a="weather"), output("a", "sun"), "Two", assistant(a="weather"), output("a", "rain")
    )
    assert [turn.content for turn in shown if turn.role == "tool"] == ["sun", "rain"]


def test_an_answer_whose_call_did_not_fit_is_left_out(user_id: UUID) -> None:
    sent = respond(
        user_id,
        Given("assistant", "long " * 900, calls=assistant(a="weather").calls),
        output("a", "sun"),
        "So?",
        parameters={"context_tokens": 400, "max_output_tokens": 100},
    )
    assert work_of(sent).request.turns == (Turn("user", "So?"),)


def test_calls_of_ours_and_of_others_are_known_apart(user_id: UUID) -> None:
    assert work_of(respond(user_id, "Weather?", assistant(a="weather"), output("a", "sun"))).keeps_calls
    assert not work_of(respond(user_id, "Weather?")).keeps_calls


def test_what_was_attached_is_shown_where_the_model_can_see_it(user_id: UUID, make_app: MakeApp) -> None:
    attached = (
        attachment("f", "image", url(PNG), "cat.png"),
        attachment("f", "file", url(PDF)),
        attachment("f", "file", url(b"a,b\n1,2"), "table.csv"),
    )
    sent = respond(user_id, Given("user", "See", attached))
    [turn] = work_of(sent).request.turns
    assert turn.content == "See\n\ntable.csv:\na,b\n1,2"
    assert turn.parts == (Part("image/png", PNG, "cat.png"), Part("application/pdf", PDF, "file.pdf"))

    work = work_of(sent)
    with reading() as session:
        blind = replace(work.model, images=False, pdfs=False)
        message = session.get_one(Message, sent.message.id)
        said = Said(*(getattr(message, name) for name in Said._fields))
        [turn] = history.gather(session, [said], 10_000, blind).turns
    assert turn.parts == ()
    assert "cat.png, image/png, is not shown to you" in turn.content


def test_an_image_alone_is_a_turn_and_weighs_what_an_image_costs(user_id: UUID) -> None:
    image = attachment("f", "image", url(PNG))
    sent = respond(user_id, Given("user", "", (image,)), "What is it?", parameters={"max_output_tokens": 100})
    assert [len(turn.parts) for turn in work_of(sent).request.turns] == [1, 0]
    tight = {"context_tokens": 1_000, "max_output_tokens": 100}
    sent = respond(user_id, Given("user", "", (attachment("f", "image", url(PNG)),)), "So?", parameters=tight)
    assert [len(turn.parts) for turn in work_of(sent).request.turns] == [0]


def test_what_was_asked_for_reaches_the_request(user_id: UUID) -> None:
    schema = {"type": "object"}
    wanted = offered(
        top_p=0.5,
        stop=["END"],
        tool_choice={"name": "weather"},
        parallel_tool_calls=False,
        text_format={"type": "json_schema", "name": "place", "schema": schema, "strict": True, "description": None},
    )
    work = work_of(respond(user_id, "Hi", **wanted))
    request = work.request
    assert (request.top_p, request.stop, request.parallel_tool_calls) == (0.5, ("END",), False)
    assert (request.tool_choice, request.json_format) == (Named("weather"), JsonFormat(schema, "place", strict=True))
    assert work.functions == (ToolSpec("weather", WEATHER["description"], WEATHER["parameters"]),)
    plain = work_of(respond(user_id, "Hi", parameters={"text_format": {"type": "text"}, "tool_choice": "none"})).request
    assert (plain.json_format, plain.tool_choice, plain.stop) == (None, "none", ())
    json = work_of(respond(user_id, "Hi", parameters={"text_format": {"type": "json_object"}})).request
    assert json.json_format == JsonFormat()


@st.composite
def conversations(draw: st.DrawFn) -> list[Turn]:
    """Turns in any order, their calls answered anywhere or nowhere, once or more, under names that come again."""
    ids = st.sampled_from("abc")
    called = st.builds(
        lambda names: Turn("assistant", "", tuple(ToolCall(name, "f", "{}") for name in names)),
        st.lists(ids, unique=True, max_size=3),
    )
    answered = st.builds(lambda name, text: Turn("tool", text, tool_call_id=name), ids, st.sampled_from("xyz"))
    return draw(st.lists(st.one_of(called, answered, st.just(Turn("user", "u"))), max_size=12))


@given(conversations())
def test_whatever_comes_every_call_has_one_result_right_behind_it(said: list[Turn]) -> None:
    placed = list(history.paired(said))
    assert [turn for turn in placed if turn.role != "tool"] == [turn for turn in said if turn.role != "tool"]
    while placed:
        turn = placed.pop(0)
        assert turn.role != "tool", "a result without a call"
        for call in turn.tool_calls:
            assert placed.pop(0).tool_call_id == call.id
