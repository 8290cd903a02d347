"""What a model cannot be given is refused when it is asked for, by name, before anything is stored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from app.chat.attaching import PDF
from app.chat.errors import InvalidField
from app.chat.items import Given
from app.extensions import settings
from app.llm import catalog
from app.llm.catalog import Model


def check(model_id: str, given: Sequence[Given], parameters: Mapping[str, Any]) -> None:
    """Raises InvalidField (functions, tool_choice, text_format, items.<place>)."""
    model = catalog.find(settings(), model_id)
    _check_functions(model, parameters)
    wanted = (parameters.get("text_format") or {}).get("type", "text")
    if wanted != "text" and wanted not in model.formats:
        raise InvalidField("text_format", f"cannot be {wanted}: {model.label} cannot be held to it")
    for place, one in enumerate(given):
        for attached in one.attachments:
            _check_attachment(model, f"items.{place}", attached.media_type)


def _check_functions(model: Model, parameters: Mapping[str, Any]) -> None:
    names = [function["name"] for function in parameters.get("functions") or ()]
    if names and not model.tools:
        raise InvalidField("functions", f"cannot be offered: {model.label} calls none")
    if len(names) != len(set(names)):
        raise InvalidField("functions", "must have names that differ")
    choice = parameters.get("tool_choice")
    if isinstance(choice, Mapping) and choice["name"] not in names:
        raise InvalidField("tool_choice", f"names {str(choice['name'])[:100]}, which is not among the functions")


def _check_attachment(model: Model, field: str, media_type: str) -> None:
    if media_type.startswith("image/") and not model.images:
        raise InvalidField(field, f"has an image, and {model.label} sees none")
    if media_type == PDF and not model.pdfs:
        raise InvalidField(field, f"has a PDF, and {model.label} reads none; give its text")
