"""The served description: valid, complete, and true of what generated requests get."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

import pytest
import schemathesis
from flask import Flask
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import Case, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.api.conftest import Person

EXAMPLES = 5  # of each kind and operation
CHECKS = [not_a_server_error, content_type_conformance, status_code_conformance, response_schema_conformance]
MODES = (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)
HIDDEN = {
    "/api/openapi.json",  # the document itself
    # The AI SDK's contract, not ours: what it sends and reads is described there.
    "/api/chat",
    "/api/chat/<path:chat_id>/stream",
}
ONE_DATABASE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


def document(app: Flask) -> dict[str, Any]:
    answer = app.test_client().get("/api/openapi.json")
    assert (answer.status_code, answer.content_type) == (200, "application/json")
    return dict(answer.json)


@ONE_DATABASE
def test_the_document_is_valid(app: Flask) -> None:
    found = document(app)
    schema = schemathesis.openapi.from_dict(found)
    schema.validate()
    references = set(re.findall(r"#/components/schemas/(\w+)", str(found["paths"]) + str(found["components"])))
    assert references == set(found["components"]["schemas"])
    operations = [operation for path in found["paths"].values() for operation in path.values()]
    assert max(Counter(operation["operationId"] for operation in operations).values()) == 1
    assert all(operation["summary"] and operation["description"] for operation in operations)


@ONE_DATABASE
def test_every_route_is_described(app: Flask) -> None:
    described = {(method.upper(), path) for path, operations in document(app)["paths"].items() for method in operations}
    routes = {
        (method, re.sub(r"<\w+:(\w+)>", r"{\1}", rule.rule))
        for rule in app.url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
        if rule.rule.startswith("/api/") and not rule.rule.startswith("/api/docs") and rule.rule not in HIDDEN
    }
    assert described == routes


@ONE_DATABASE
def test_errors_are_described_as_problems_and_streams_as_streams(app: Flask) -> None:
    for path, operations in document(app)["paths"].items():
        for operation in operations.values():
            answers = operation["responses"]
            errors = {status: answer for status, answer in answers.items() if status >= "400"}
            assert {"400", "401", "404", "413", "415", "422", "429", "503"} <= set(errors)
            assert {tuple(answer["content"]) for answer in errors.values()} == {("application/problem+json",)}
            assert ("text/event-stream" in answers.get("200", {}).get("content", {})) == path.endswith("/events")


@ONE_DATABASE
def test_the_documentation_needs_no_other_host(app: Flask) -> None:
    client = app.test_client()
    pages = ["/api/docs", "/api/docs/swagger"]
    for page in pages:
        answer = client.get(page, follow_redirects=True)
        assert (answer.status_code, answer.mimetype) == (200, "text/html")
        links = re.findall(r"""(?:src|href)=["']([^"']+)["']""", answer.text)
        assert links
        for link in links:
            assert not re.match(r"(?!data:)\s*(\w+:)?//", link), link
            if not link.strip().startswith("data:"):
                with client.get(f"/api/docs/{link}", follow_redirects=True) as asset:
                    assert asset.status_code == 200, link
        policy = answer.headers["Content-Security-Policy"]
        assert not re.search(r"https?:|\*", policy)


def test_generated_requests_get_what_the_document_says(app: Flask, ada: Person) -> None:
    schema = schemathesis.openapi.from_wsgi("/api/openapi.json", app)
    seen: Counter[int] = Counter()
    for found in schema.get_all_operations():
        operation = found.ok()
        for mode in MODES:
            if mode is GenerationMode.POSITIVE or operation.body or operation.query or operation.path_parameters:
                _try(operation, mode, ada, seen)
    assert {200, 201, 202, 400, 404, 409, 422} <= set(seen)


def _try(operation: Any, mode: GenerationMode, person: Person, seen: Counter[int]) -> None:
    @settings(
        max_examples=EXAMPLES,
        derandomize=True,
        deadline=None,
        database=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def send(case: Case) -> None:
        _send(case, person, seen)
        if _moved_in(case, person):
            _send(case, person, seen)

    send()


def _send(case: Case, person: Person, seen: Counter[int]) -> None:
    response = case.call(headers={"Authorization": f"Bearer {person.key}"})
    case.validate_response(response, checks=CHECKS)
    seen[response.status_code] += 1


def _moved_in(case: Case, person: Person) -> bool:
    """Turn a request about nothing into one about something that exists; False where that changes nothing."""
    has_body = isinstance(case.body, dict)
    for name in ("model", "thread_id") if has_body else ():
        case.body.pop(name, None)
    if not case.path_parameters or case.path.endswith("{thread_id}/events"):  # that one never ends
        return has_body
    person.patch("/api/me", {"preferences": {"model": None}})  # one was generated, perhaps
    sent = person.say()
    reply_id = sent["reply"]["id"]
    if case.path.endswith("/events"):  # so that it ends
        person.post(f"/api/messages/{reply_id}/cancel")
    ids = {"thread_id": sent["thread"]["id"], "message_id": reply_id}
    case.path_parameters.update({name: ids[name] for name in case.path_parameters if name in ids})
    case.query.pop("wait", None) if case.query else None
    return True
