"""No page has a serious fault that axe-core finds, in either theme."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page

from tests.support.copy import ROOT
from tests.web.conftest import MeetPerson

AXE = ROOT / "node_modules" / "axe-core" / "axe.min.js"
EVERYTHING = """# Title

Some *words* and `code`, [a link](https://example.com/).

```python
def f():  # a comment
    return "x" + str(1)
```

| a | b |
|---|---|
| 1 | 2 |

> quoted"""


def script() -> str:
    if not AXE.exists():
        message = "needs axe-core: python requirements/assets.py"
        pytest.fail(message) if os.environ.get("CI") else pytest.skip(message)
    return Path(AXE).read_text()


def faults(page: Page) -> list[str]:
    """What axe-core calls serious or critical."""
    page.evaluate(script())
    found: dict[str, Any] = page.evaluate("axe.run(document)")
    return [
        f"{fault['id']}: {node['html'][:200]} {node['failureSummary'][:300]}"
        for fault in found["violations"]
        if fault["impact"] in {"serious", "critical"}
        for node in fault["nodes"]
    ]


@pytest.mark.parametrize("theme", ["hud", "light"])
@pytest.mark.parametrize("width", [1400, 390])
def test_no_page_has_a_serious_fault(meet: MeetPerson, theme: str, width: int) -> None:
    ada = meet("ada", viewport={"width": width, "height": 900}, reduced_motion="reduce")
    ada.page.goto("/")
    ada.context.add_cookies([{"name": "theme", "value": theme, "url": ada.page.url}])
    for path in ("/", "/signin", "/signup", "/nowhere"):
        ada.page.goto(path)
        assert faults(ada.page) == [], path
    key = ada.sign_up()
    ada.allow(key, "calculator", "ask_user", "files__*")
    sum_ = json.dumps({"expression": "1+1"})
    question = json.dumps({"question": "Which?", "options": ["left", "right"]})
    address = ada.start(
        f"!tool calculator {sum_}\n!step\n!tool ask_user {question}\n!step\n!tool files__erase {{}}\n!step\ndone"
    )
    ada.sees_status("requires_action")
    assert faults(ada.page) == []
    ada.replies.last.get_by_role("button", name="left", exact=True).click()
    ada.page.get_by_role("group", name="files__erase").wait_for()
    ada.page.evaluate("for (const each of document.querySelectorAll('details')) each.open = true")
    assert faults(ada.page) == []
    ada.page.locator("#thread-menu > summary").click()
    ada.page.get_by_role("radio", name="Reject").check()
    ada.page.get_by_role("button", name="Send decision").click()
    ada.sees_status("completed")
    ada.start(f"!wait 0.1\n{EVERYTHING}")
    ada.sees_status("completed")
    assert faults(ada.page) == []
    ada.page.keyboard.press("?")
    for path in ("/", "/chat", "/chat?q=words", "/settings", address):
        ada.page.goto(path)
        assert faults(ada.page) == [], path
