"""Whatever people and models write is shown as text: nothing of it runs or leaves the site."""

from __future__ import annotations

import json

from playwright.sync_api import expect

from tests.web.conftest import MeetPerson

NOFOLLOW = "noopener noreferrer nofollow"
# None is longer than a title may be, so that each is shown whole in all three places.
CORPUS = [
    "<script>alert(1)</script>",
    "</div></li></ol></template><script>alert(2)</script>",
    "<img src=x onerror=alert(3)>",
    "<svg onload=alert(4)><animate onbegin=alert(5)>",
    "<iframe srcdoc='<script>parent.alert(6)</script>'></iframe>",
    "<a href='javascript:alert(7)'>click</a> [x](javascript:alert(8))",
    '"><input autofocus onfocus=alert(9)>',
    "</textarea><script>alert(10)</script>",
    "</title><script>alert(11)</script>",
    "<style>*{display:none}</style><link rel=stylesheet href=//evil.example/x.css>",
    "<meta http-equiv=refresh content='0;url=//evil.example/'>",
    "<base href=//evil.example/><form action=//evil.example/><button>Send",
    "![x](http://evil.example/pixel.png) <img src=http://evil.example/pixel.png>",
    "{{ 7*7 }} ${7*7} {% raw %} &lt;b&gt; &#60;script&#62;",
    "--><!--<script>alert(12)</script>",
    "![x](https://evil.example/pixel.png) ![y][z] <https://evil.example/>",
    "[z]: https://evil.example/pixel.png 'x'",
    "[x](java&#115;cript:alert(13)) [y](data:text/html,<script>alert(14)</script>)",
    "| <img src=x onerror=alert(15)> | `<script>alert(16)</script>` |",
    "<hx-partial hx-target='body'>x</hx-partial> <a hx-get='//evil.example/'>x</a>",
    "\u202egnp.exe \u2066<b>bold</b>\u2069",
]


_FOREIGN = (
    "main :is(script, img, iframe, svg, style, link, base, meta, object, embed, [onerror], [onload], .text [hx-get])"
)


def test_nothing_that_anybody_wrote_runs(meet: MeetPerson) -> None:
    eve = meet("eve")
    eve.sign_up()
    for text in CORPUS:
        address = eve.start(f"!wait 0.1\n{text}")
        eve.sees_status("completed")
        streamed = eve.page.locator(".text").all_inner_texts()
        assert eve.page.locator(_FOREIGN).count() == 0
        eve.page.goto(address)
        assert streamed == eve.page.locator(".text").all_inner_texts()
        assert eve.page.locator(_FOREIGN).count() == 0
        links = eve.page.locator(".text a").evaluate_all("links => links.map((link) => [link.protocol, link.rel])")
        assert all(link in (["http:", NOFOLLOW], ["https:", NOFOLLOW]) for link in links), links


def test_titles_are_text(meet: MeetPerson) -> None:
    eve = meet("eve")
    eve.sign_up()
    for text in CORPUS:
        eve.start(text)
        expect(eve.page.get_by_role("heading", level=1)).to_have_text(text)
    eve.page.goto("/chat")
    assert eve.page.locator(".threads a").all_inner_texts() == CORPUS[::-1]
    assert eve.page.locator(_FOREIGN).count() == 0


def test_a_refused_form_shows_its_text_as_text(meet: MeetPerson) -> None:
    eve = meet("eve")
    eve.sign_up()
    eve.page.goto("/chat")
    text = "</textarea><script>alert(1)</script>"
    eve.words.fill(text)
    eve.page.evaluate("document.querySelector('option').outerHTML = '<option value=nobody/knows>'")
    eve.page.get_by_label("Model", exact=True).select_option("nobody/knows")
    eve.page.get_by_role("button", name="Send").click()
    expect(eve.page.get_by_role("alert")).to_contain_text("Model: Unknown model")
    assert eve.words.input_value() == text
    assert eve.page.get_by_label("Model", exact=True).input_value() == "nobody/knows"


def test_nothing_that_a_tool_is_asked_or_answers_runs(meet: MeetPerson) -> None:
    eve = meet("eve")
    eve.allow(eve.sign_up(), "ask_user")
    for text in CORPUS:
        question = json.dumps({"question": text, "options": [text]})
        address = eve.start(f"!tool ask_user {question}\n!step\n!results")
        expect(eve.replies.last.locator(".prompt")).to_have_text(text)
        eve.page.reload()
        expect(eve.replies.last.locator(".prompt")).to_have_text(text)
        eve.replies.last.locator("[name=option]").click()
        eve.sees_status("completed")
        streamed = eve.replies.last.locator(".result").all_text_contents()
        eve.page.goto(address)
        assert streamed == eve.replies.last.locator(".result").all_text_contents() == [text]
        assert json.loads(eve.replies.last.locator(".arguments").text_content() or "") == json.loads(question)
    assert eve.page.locator(_FOREIGN).count() == 0
