"""/v1/models: which models can be asked."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, jsonify

from app.extensions import settings
from app.llm import catalog
from app.llm.catalog import Model
from app.llm.errors import ModelUnavailable
from app.responses.complaints import Complaint

routes = Blueprint("models", __name__)


@routes.get("/models")
def list_models() -> Response:
    """What can be chosen now; any other name of a provider that is there works too."""
    found = [_shown(model) for model in catalog.models(settings()) if model.available]
    return jsonify(object="list", data=found)


@routes.get("/models/<path:model_id>")
def read_model(model_id: str) -> Response:
    """One model, whether it is listed or only known by its provider. 404 where it cannot be used."""
    try:
        return jsonify(_shown(catalog.find(settings(), model_id)))
    except ModelUnavailable as error:
        raise Complaint(str(error), status=404, param="model", code="model_not_found") from None


def _shown(model: Model) -> dict[str, Any]:
    """As OpenAI's SDK reads it; when a model was made we do not know."""
    return {"id": model.id, "object": "model", "created": 0, "owned_by": model.provider}
