"""What the tests of the pages ask for: a running copy, a real Chromium, and the application without either."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Callable, Iterator

import pytest
from flask import Flask
from playwright.sync_api import Browser, sync_playwright

from app import create_app
from tests.conftest import MakeSettings
from tests.support import hubs
from tests.support.copy import ROOT
from tests.support.stack import Stack, running_stack
from tests.web.person import Person
from tests.web.visitor import Visitor

MeetPerson = Callable[..., Person]
MakeSite = Callable[..., Flask]

# Without the last ones Chromium looks up its maker's hosts at every start.
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="package")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A running copy, shared by the tests of the pages, with an MCP server one of whose tools needs a yes."""
    folder = tmp_path_factory.mktemp("web")
    servers = folder / "mcp.json"
    files = {"command": sys.executable, "args": [str(ROOT / "tests" / "tools" / "mcp_server.py"), "stdio"]}
    servers.write_text(json.dumps({"servers": {"files": files}}))
    url = f"sqlite:///{folder / 'holdfast.db'}"
    with running_stack(folder, url, LEASE_SECONDS="3", MCP_CONFIG=str(servers)) as running:
        yield running


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A Chromium. Where there is none the test is skipped, but never in CI."""
    executable = shutil.which("chromium")
    if executable is None:
        message = "needs Chromium: apt-get install chromium"
        pytest.fail(message) if os.environ.get("CI") else pytest.skip(message)
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=executable, args=ARGUMENTS)
        yield running
        running.close()


@pytest.fixture
def meet(browser: Browser, stack: Stack) -> Iterator[MeetPerson]:
    """`meet("ada")`: somebody with a browser of their own, whose pages may neither complain nor leave the site.

    Keyword arguments are Playwright's for a context, such as `java_script_enabled`.
    """
    met: list[Person] = []

    def make(name: str, **options: object) -> Person:
        met.append(Person(browser, stack.url, name, options))
        return met[-1]

    yield make
    for person in met:
        person.context.close()
    assert [complaint for person in met for complaint in person.complaints] == []


@pytest.fixture
def make_site(make_settings: MakeSettings) -> Iterator[MakeSite]:
    """The application on this test's database; its context is not pushed, so that each request has its own."""
    made: list[Flask] = []

    def make(**changed: object) -> Flask:
        made.append(create_app(make_settings(**changed)))
        return made[-1]

    yield make
    for site in made:
        hubs.end(site)


@pytest.fixture
def visitor(make_site: MakeSite) -> Visitor:
    """Somebody signed in, without a browser."""
    signed_up = Visitor(make_site().test_client())
    signed_up.sign_up()
    return signed_up


@pytest.fixture
def ada(meet: MeetPerson) -> Person:
    """Somebody who has just signed up."""
    person = meet("ada")
    person.sign_up()
    return person
