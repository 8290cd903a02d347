"""Somebody who uses the pages, in a browser of their own."""

from __future__ import annotations

import re
from itertools import count
from typing import Any

from playwright.sync_api import Browser, ConsoleMessage, Locator, Request, Route, expect

from tests.support.stack import PASSWORD

# What a browser and htmx write to the console when a connection does not come about.
UNREACHED = "ERR_|htmx:"

_numbers = count(1)
# The browser's own note that a page was answered with 4xx, which tests ask for on purpose.
_ANSWERED = re.compile(r"Failed to load resource: the server responded with a status of 4\d\d")


class Person:
    """A name, a browser context, and what its pages complained about."""

    def __init__(self, browser: Browser, url: str, name: str, options: dict[str, Any]) -> None:
        self.email = f"{name}{next(_numbers)}@example.com"
        self.complaints: list[str] = []
        self.context = browser.new_context(base_url=url, **options)
        self.context.set_default_timeout(15_000)
        self.page = self.context.new_page()
        self.page.on("console", self._note)
        self.page.on("pageerror", lambda error: self.complaints.append(f"error: {error}"))
        self.page.on("dialog", lambda dialog: (self.complaints.append(f"dialog: {dialog.message}"), dialog.dismiss()))
        self.page.on("request", lambda request: self._check(request, url))

    @property
    def replies(self) -> Locator:
        """Every reply on the page."""
        return self.page.locator("#messages > .assistant")

    @property
    def words(self) -> Locator:
        """The field in which a message is written."""
        return self.page.get_by_label("Message", exact=True)

    @property
    def connection(self) -> Locator:
        """What the page says of its connection."""
        return self.page.locator("#connection")

    @property
    def last_text(self) -> Locator:
        """The text of the newest reply."""
        return self.replies.last.locator(".text")

    def sign_up(self) -> str:
        """Make an account; returns the key that is shown."""
        self.page.goto("/signup")
        self._give_password("Sign up")
        return self.page.locator(".key").inner_text()

    def sign_in(self) -> None:
        """Fill in the form of the page one is on."""
        self._give_password("Sign in")

    def sign_out_elsewhere(self) -> None:
        """End the sign-in without this page's doing."""
        token = self.page.locator("[name=csrf_token]").first.get_attribute("value") or ""
        signed_out = self.page.request.post("/signout", form={"csrf_token": token}, max_redirects=0)
        assert signed_out.status == 303

    def sign_in_elsewhere(self) -> None:
        """Sign in in another tab, of which this page is told nothing."""
        first, self.page = self.page, self.context.new_page()
        self.page.goto("/signin")
        self.sign_in()
        expect(self.page).not_to_have_url(re.compile("/signin"))
        self.page.close()
        self.page = first

    def sign_in_beside(self, link: Locator) -> None:
        """Follow a link that opens the sign-in in a tab of its own, sign in there, see this page, and come back."""
        with self.context.expect_page() as opened:
            link.click()
        first, self.page = self.page, opened.value
        self.sign_in()
        expect(self.page).to_have_url(first.url, timeout=15_000)
        self.page.close()
        self.page = first
        first.evaluate("dispatchEvent(new Event('focus'))")  # which a browser without a screen does not send

    def hold(self, pattern: str) -> list[Route]:
        """Requests that are not answered until the test lets them."""
        routes: list[Route] = []
        self.page.route(pattern, lambda route: routes.append(route))  # noqa: PLW0108 - Playwright takes no built-in
        return routes

    def say(self, text: str) -> None:
        """Send a message from the page one is on."""
        self.words.fill(text)
        self.page.locator("#model").select_option("scripted/echo")
        self.page.get_by_role("button", name="Send").click()
        self.page.wait_for_url(re.compile(r"/chat/[0-9a-f-]{36}$"))

    def start(self, text: str) -> str:
        """Begin a chat at the first page; returns its address."""
        self.page.goto("/")
        self.say(text)
        return self.page.url

    def allow(self, key: str, *tools: str) -> None:
        """Let every reply have these tools."""
        headers = {"Authorization": f"Bearer {key}"}
        allowed = self.page.request.patch("/api/me", data={"preferences": {"tools": list(tools)}}, headers=headers)
        assert allowed.ok, allowed.text()

    def sees_status(self, status: str) -> None:
        """Wait until the newest reply is shown as `status`."""
        expect(self.replies.last).to_have_attribute("data-status", status, timeout=20_000)

    def forgive(self, pattern: str) -> None:
        """Forget the complaints that a test has called for; whatever does not match is still one."""
        self.complaints[:] = [each for each in self.complaints if not re.search(pattern, each)]

    def _give_password(self, button: str) -> None:
        self.page.get_by_label("Email").fill(self.email)
        self.page.get_by_label("Password").fill(PASSWORD)
        self.page.get_by_role("main").get_by_role("button", name=button).click()

    def _note(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"} and not _ANSWERED.match(message.text):
            self.complaints.append(f"{message.type}: {message.text}")

    def _check(self, request: Request, url: str) -> None:
        if not request.url.startswith(f"{url}/"):
            self.complaints.append(f"request: {request.url}")
