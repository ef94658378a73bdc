"""The voices: every model stands behind one port, and this package's import costs next to nothing."""

from gemot.models.port import Heard, Model, ModelFailed
from gemot.models.registry import ModelRow, list_models, open_model, price_known
from gemot.models.scripted import ScriptedModel, heard, request, say, scripted

__all__ = [
    "Heard",
    "Model",
    "ModelFailed",
    "ModelRow",
    "ScriptedModel",
    "heard",
    "list_models",
    "open_model",
    "price_known",
    "request",
    "say",
    "scripted",
]
