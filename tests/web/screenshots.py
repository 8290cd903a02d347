"""`make screenshots`: the main states of the pages, wide and narrow, in both themes, as docs/screenshots."""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

from tests.support.copy import ROOT
from tests.support.stack import Stack, running_stack
from tests.web.conftest import ARGUMENTS
from tests.web.person import Person

OUT = ROOT / "docs" / "screenshots"
WIDE = {"width": 1440, "height": 900}
NARROW = {"width": 390, "height": 844}

_ANSWER = """The queue survives because **the row is the truth**: Redis only wakes a worker.

1. The message, its reply and a job are stored in *one* transaction.
2. A worker claims the job; its lease is renewed every 1.5 s.
3. If the worker dies, another goes on:

```python
def claim(job: Job) -> Attempt:
    # Whoever changes the row, owns it.
    return transition(job, PENDING, PROCESSING, attempt=job.attempt + 1)
```

| what is lost | what happens |
|---|---|
| a worker | the lease lapses, another attempt |
| Redis | readers fall back to the database |
"""


def main() -> None:
    """Take them all."""
    executable = shutil.which("chromium")
    if executable is None:
        sys.exit("needs Chromium: apt-get install chromium")
    OUT.mkdir(exist_ok=True)
    with running() as stack, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=ARGUMENTS)
        for theme in ("hud", "light"):
            for name, size in (("wide", WIDE), ("narrow", NARROW)):
                take(browser, stack, theme, name, size)
        browser.close()


@contextmanager
def running() -> Iterator[Stack]:
    """A copy with a tool that needs a yes."""
    with tempfile.TemporaryDirectory() as folder:
        servers = Path(folder) / "mcp.json"
        files = {"command": sys.executable, "args": [str(ROOT / "tests" / "tools" / "mcp_server.py"), "stdio"]}
        servers.write_text(json.dumps({"servers": {"files": files}}))
        with running_stack(Path(folder), f"sqlite:///{folder}/holdfast.db", MCP_CONFIG=str(servers)) as stack:
            yield stack


def take(browser: Browser, stack: Stack, theme: str, name: str, size: dict[str, int]) -> None:
    """One theme in one size."""
    options = {"viewport": size, "color_scheme": "dark", "reduced_motion": "reduce", "locale": "en-GB"}
    ada = Person(browser, stack.url, "ada", options)
    ada.context.add_cookies([{"name": "theme", "value": theme, "url": stack.url}])

    def shoot(state: str) -> None:
        ada.page.wait_for_load_state("networkidle" if state in {"sign-in", "home", "settings"} else "load")
        ada.page.locator("body:not(:has([data-state=connecting]))").wait_for()
        ada.page.screenshot(path=OUT / f"{theme}-{name}-{state}.png")

    ada.page.goto("/signin")
    shoot("sign-in")
    key = ada.sign_up()
    ada.allow(key, "calculator", "wait", "ask_user", "files__*")
    ask(ada, "Remind me of the meeting", '!tool wait {"seconds": 7000}')
    ask(ada, "What is a lease?", "A claim on a job that lapses.")
    ada.page.goto("/")
    shoot("home")
    ask(ada, "Why do replies survive a crash?", f"!wait 1\n!delay 0.01\n{_ANSWER}")
    ada.last_text.get_by_text("The message").wait_for()
    shoot("streaming")
    ada.sees_status("completed")
    shoot("reply")
    question = json.dumps({"question": "Which notes may I delete?", "options": ["old.txt", "none"]})
    sum_ = json.dumps({"expression": "6 * 7"})
    erase = json.dumps({"path": "old.txt"})
    tools = [f"calculator {sum_}", f"ask_user {question}", f"files__erase {erase}"]
    ask(ada, "Tidy up my notes", "\n!step\n".join(f"!tool {tool}" for tool in tools))
    ada.sees_status("requires_action")
    shoot("question")
    ada.replies.last.get_by_role("button", name="none", exact=True).click()
    ada.page.get_by_role("group", name="files__erase").wait_for()
    shoot("approval")
    ada.page.locator("#drawer > summary").click()
    shoot("drawer")
    ada.page.goto("/settings")
    shoot("settings")
    ada.page.goto("/nowhere")
    shoot("not-found")
    ada.context.close()


def ask(person: Person, title: str, script: str) -> None:
    """A chat that is called `title` and answers as the script says."""
    person.start(script)
    person.page.locator("#thread-menu > summary").click()
    person.page.get_by_label("Title", exact=True).fill(title)
    person.page.get_by_role("button", name="Rename").click()
    person.page.get_by_role("heading", name=title).wait_for()


if __name__ == "__main__":
    main()
