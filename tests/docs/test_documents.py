"""What the documents name exists: commands, links, files, functions, settings, routes."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path
from uuid import UUID

import pytest
from pydantic import SecretStr
from werkzeug.routing import Map

from app import create_app
from app.config import Settings
from app.jobs import queue
from app.jobs.transitions import TRANSITIONS
from app.models import Status
from tests.docs import states
from tests.docs.documents import (
    ARCHITECTURE,
    DOCUMENTS,
    README,
    anchors,
    blocks,
    name,
    prose,
    repository,
    section,
    ticked,
)
from tests.support.copy import ROOT

ANY_ID = str(UUID(int=0))
TOP = {path.name for path in ROOT.iterdir()} - {"var"}  # which a new copy does not have yet
# Read by docker compose itself, or by the shell of an example.
NO_SETTINGS = {
    "POSTGRES_PASSWORD",
    "PYTHON",
    "BASE",
    "KEY",
    "THREAD",
    "REPLY",
    "ID",
    "DELETE",
    "POST",
    "PATCH",
    "BEGIN",
    "UPDATE",
}

each_document = pytest.mark.parametrize("document", DOCUMENTS, ids=name)


def test_the_readme_opens_with_the_two_commands() -> None:
    opening = README.read_text().partition("\n## ")[0]
    [commands] = blocks(opening)
    assert re.findall(r"^make \w+", commands, re.MULTILINE) == ["make run", "make test"]


@each_document
def test_every_make_command_exists(document: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = set(re.findall(r"(?:^|`)make ([a-z-]+)", document.read_text(), re.MULTILINE))
    assert named <= targets


@each_document
def test_every_relative_link_leads_somewhere(document: Path) -> None:
    for link in re.findall(r"\]\(([^)\s]+)\)", prose(document)):
        if "://" in link:
            continue
        target, _, anchor = link.partition("#")
        path = (document.parent / target).resolve() if target else document
        assert path.exists(), link
        assert path.is_relative_to(ROOT), link
        assert not anchor or anchor in anchors(path), link


@each_document
def test_every_path_in_backticks_exists(document: Path) -> None:
    paths = [word for word in ticked(document) if re.fullmatch(r"\.?[\w-]+(/[\w.-]+)*/?", word)]
    for path in paths:
        if path.split("/")[0] in TOP or path.endswith((".py", ".md", ".toml", ".yml")):
            assert (ROOT / path).exists(), path


@each_document
def test_every_setting_in_backticks_is_read(document: Path) -> None:
    known = {field.upper() for field in Settings.model_fields} | NO_SETTINGS
    named = {word for text in ticked(document) for word in re.findall(r"^[A-Z][A-Z_]+$|\b[A-Z][A-Z_]+(?==)", text)}
    assert named <= known


@each_document
def test_every_route_in_backticks_is_served(document: Path, routes: Map) -> None:
    adapter = routes.bind("localhost")
    for method, path in re.findall(r"`(GET|POST|PATCH|DELETE) (/[^`?\s]*)", prose(document)):
        adapter.match(re.sub(r"\$\w+", ANY_ID, path), method)


@pytest.fixture(scope="module")
def routes(migrated: Path) -> Map:
    settings = Settings(_env_file=None, database_url=f"sqlite:///{migrated}", secret_key=SecretStr("only for tests"))
    return create_app(settings).url_map


def test_every_module_in_the_picture_exists() -> None:
    [picture] = blocks(section(ARCHITECTURE, "The life of a reply"))
    modules = re.findall(r"\b((?:api|chat|jobs|stream|tasks)\.[a-z]+)", picture.replace("message.", ""))
    assert len(modules) > 8
    for module in modules:
        path = module.replace(".", "/") + ".py"
        assert (ROOT / path).exists() or (ROOT / "app" / path).exists(), module


def test_every_floor_is_described() -> None:
    described = section(ARCHITECTURE, "The floors")
    for path in (ROOT / "app").iterdir():
        is_code = path.suffix == ".py" or (path / "__init__.py").exists()
        if is_code and path.name != "__init__.py":
            assert f"`app/{path.name}" in described, path.name


def test_the_states_of_a_job_are_drawn_from_the_transitions() -> None:
    assert states.drawn_into(ARCHITECTURE.read_text()) == ARCHITECTURE.read_text(), "make architecture"


def test_the_drawing_has_every_transition_and_every_state() -> None:
    drawing = states.drawing()
    assert set(re.findall(r"^\| `(\w+)` \|", drawing, re.MULTILINE)) == {t.name for t in TRANSITIONS}
    [picture] = blocks(drawing, "mermaid")
    assert set(re.findall(r"^ +(\w+) -->", picture, re.MULTILINE)) == set(Status)
    for transition in TRANSITIONS:
        assert bool(transition.enters) == bool(re.search(rf"\b{transition.name}\b", picture)), transition.name


def test_the_glossary_has_every_status() -> None:
    words = ticked(ROOT / "docs" / "glossary.md")
    assert set(Status) <= set(words)


def test_each_decision_has_its_four_parts() -> None:
    decisions = sorted((ROOT / "docs" / "adr").glob("*.md"))
    assert [int(path.name[:4]) for path in decisions] == list(range(1, len(decisions) + 1))
    for path in decisions:
        headings = re.findall(r"^## (.+)$", path.read_text(), re.MULTILINE)
        assert headings == ["Context", "Decision", "Costs", "What would change our mind"], path.name


def test_every_task_and_queue_the_app_names_is_a_workers() -> None:
    """The check that docs/adr/0002 relies on: names are all that joins the app to its tasks."""
    sources = [*(ROOT / "app").rglob("*.py"), ROOT / "celeryconfig.py"]
    named = {task for path in sources for task in re.findall(r'"(tasks\.\w+)"', path.read_text())}
    # A process of its own: a worker's Celery application is not to be had in the tests' process.
    listing = "from workers.worker import celery; print(*celery.tasks, '|', *(x.name for x in celery.conf.task_queues))"
    printed = subprocess.run([sys.executable, "-c", listing], cwd=ROOT, capture_output=True, text=True, check=True)
    tasks, queues = (words.split() for words in printed.stdout.split("|"))
    assert "tasks.process_message" in named
    assert named <= set(tasks)
    assert {queue.REPLIES, queue.MAINTENANCE} == set(queues)


# Written in pieces, or this file would be the first to be found.
REGISTRIES = ("pypi" + ".org", "python" + "hosted.org", "npm" + "js.org", "npm" + "js.com", "yarnpkg" + ".com")
FOLDERS = re.compile(r"(?<![\w.$})/-])/(?:work|root|home|Users)" + r"/\w")


@pytest.mark.skipif(
    not (ROOT / ".git").exists() or shutil.which("git") is None, reason="only git knows which files are the project's"
)
def test_no_file_names_a_registry_or_a_folder_of_somebodys_machine() -> None:
    found = [
        f"{name(path)}: {line.strip()[:100]}"
        for path in repository()
        for line in path.read_text(errors="replace").splitlines()
        if any(host in line for host in REGISTRIES) or FOLDERS.search(line)
    ]
    assert found == []
