"""Which model a name means, and which models this computer has. The one place that reads a model's name."""

from __future__ import annotations

import os
from collections.abc import Mapping
from importlib import import_module
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any, Literal, cast

from msgspec import Struct

from gemot.models.cards import Card, Corrections
from gemot.models.catalogue import PROVIDERS, card, key_of
from gemot.models.port import Model, ModelFailed
from gemot.models.providers import ProviderModel
from gemot.models.scripted import TOKENS_MAX, Script, scripted

State = Literal["ready", "no key", "not installed"]

FORMS = (
    "embedded",
    "scripted:FILE.py:FUNCTION",
    "bestiary:obeys",
    *(provider.example for provider in PROVIDERS.values()),
    "hand:http://127.0.0.1:8765/v1",
    "pydantic-ai:groq:llama-3.3-70b-versatile",
)
"""How names look; shown where a name is not understood."""

KINDS = ("embedded", "scripted", "bestiary", "hand", "pydantic-ai", *PROVIDERS)
"""What a model's name begins with."""


class ModelRow(Struct, frozen=True):
    """One line of ``gemot models``: what to type, whether it works here, and what to do if not."""

    name: str
    state: State
    help: str


def open_model(name: str, environment: Mapping[str, str] = os.environ) -> Model:
    """The model that ``name`` means. Nothing is contacted or imported yet, except a script.

    ``scripted:`` runs a file as code: open a name from a person, never one from a file that came with a folder.
    Raises :class:`ModelFailed` (``missing``) for a name that means nothing here.
    """
    kind, rest = _split(name)
    if kind == "embedded" and not rest:
        return _embedded()
    if kind == "scripted" and rest:
        return _script(name, rest)
    if kind == "bestiary" and rest:
        from gemot.models.bestiary import bestiary  # here: only tests and the curious need it

        return bestiary(rest)
    if kind == "pydantic-ai" and rest:
        from gemot.models.beyond import BeyondModel  # here: few need it

        return BeyondModel(name, rest)
    if kind in ("hand", "openai-compatible") and rest:
        return _compatible(name, kind, rest, environment)
    if kind in PROVIDERS and kind != "openai-compatible" and rest:
        return ProviderModel(kind, rest, name=name, environment=environment)
    raise _unknown(name, kind)


def list_models(environment: Mapping[str, str] = os.environ) -> list[ModelRow]:
    """Every kind of model, the ready ones first. Looks for packages and variables; contacts nobody."""
    rows = [
        _embedded_row(),
        ModelRow("scripted:FILE.py:FUNCTION", "ready", "a Python function that answers"),
        ModelRow(
            "bestiary:obeys", "ready", "a model that misbehaves, to test with; others: hostile, forks, claims, ..."
        ),
    ]
    for provider in PROVIDERS.values():
        state: State = "ready"
        what = f"if a server runs at {provider.url}" if provider.url else "any server with OpenAI's chat completions"
        if provider.key_needed and key_of(provider, environment) is None:
            state, what = "no key", f"set {' or '.join(provider.keys)}"
        rows.append(ModelRow(provider.example, state, what))
    there = find_spec("pydantic_ai") is not None
    rows.append(
        ModelRow(
            "pydantic-ai:groq:llama-3.3-70b-versatile",
            "ready" if there else "not installed",
            "any model that pydantic-ai knows" if there else "pip install gemot[beyond]",
        )
    )
    return sorted(rows, key=lambda row: ("ready", "no key", "not installed").index(row.state))


def _embedded_row() -> ModelRow:
    if find_spec("xllamacpp") is None:
        return ModelRow("embedded", "not installed", "pip install gemot[local], then gemot model install")
    from gemot.models.embedded.install import installed as weights_found  # here: only this row needs it

    if weights_found() is None:
        return ModelRow("embedded", "not installed", "gemot model install")
    return ModelRow("embedded", "ready", "a small model on this computer, free and without a key")


def price_known(name: str) -> bool:
    """Whether a budget in money can hold this model's calls: free here, or in the price tables."""
    card = card_of(name)
    return bool(card.prices) if card is not None else _split(name)[0] in ("embedded", "scripted", "bestiary")


def card_of(
    name: str, corrections: Corrections | None = None, environment: Mapping[str, str] = os.environ
) -> Card | None:
    """All that is known of the model that ``name`` means. None: it is no provider's model."""
    kind, rest = _split(name)
    provider = PROVIDERS.get("openai-compatible" if kind == "hand" else kind)
    if provider is None or not rest:
        return None
    model = rest if provider.url else rest.partition("#")[2]
    return card(provider, model, corrections, name=f"{kind}:{rest}", environment=environment)


def names_its_own_code_or_address(name: str) -> bool:
    """Whether a model's name makes gemot run a file, or send what it is asked to an address that stands in the name."""
    return _split(name)[0] in ("scripted", "hand", "openai-compatible")


def _split(name: str) -> tuple[str, str]:
    """``openai:gpt`` and ``openai/gpt`` are the same; a model's own slashes and colons stay."""
    at = min((place for mark in ":/" if (place := name.find(mark)) > 0), default=len(name))
    return name[:at], name[at + 1 :]


def _embedded() -> Model:
    try:
        embedded: Any = import_module("gemot.models.embedded.model")
    except ImportError as error:
        raise ModelFailed(
            "missing", f"The embedded model's engine is not installed ({error}): pip install gemot[local]"
        ) from error
    model: Model = embedded.EmbeddedModel()
    return model


def _compatible(name: str, kind: str, rest: str, environment: Mapping[str, str]) -> Model:
    url, _, model = rest.partition("#")
    if not url.startswith(("http://", "https://")):
        raise ModelFailed("missing", f"{name}: after `{kind}:` comes an address, like {kind}:http://127.0.0.1:8765/v1")
    if "@" in url or "?" in url:  # names are shown, stored and logged
        raise ModelFailed("missing", "A key is no part of a model's name: set OPENAI_COMPATIBLE_API_KEY instead.")
    default = "hand" if kind == "hand" else "default"
    return ProviderModel("openai-compatible", model or default, name=name, url=url, environment=environment)


def _script(name: str, rest: str) -> Model:
    where, _, attribute = rest.rpartition(":")
    if not where:
        raise ModelFailed("missing", f"{name}: name the file and the function in it, like scripted:clerk.py:answer")
    module = _module(name, where)
    function = getattr(module, attribute, None)
    if function is None:
        raise ModelFailed("missing", f"{name}: there is no {attribute!r} in {where}.")
    if hasattr(function, "generate"):
        model: Model = function
        return model
    if not callable(function):
        raise ModelFailed("missing", f"{name}: {attribute!r} in {where} is neither a function nor a model.")
    window = getattr(module, "window", TOKENS_MAX)
    if not isinstance(window, int) or window < 0:
        raise ModelFailed(
            "missing", f"{name}: `window` in {where} is how many tokens the model takes in, not {window!r}."
        )
    return scripted(cast(Script, function), name=name, tokens_max=window)


def _module(name: str, where: str) -> Any:
    if not where.endswith(".py"):
        try:
            return import_module(where)
        except (ImportError, SyntaxError) as error:
            raise ModelFailed("missing", f"{name}: {where} can't be imported ({error}).") from error
    path = Path(where).expanduser()
    if not path.is_file():
        raise ModelFailed("missing", f"{name}: there is no file {path}.")
    spec = spec_from_file_location(f"gemot_script_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise ModelFailed("missing", f"{name}: {path} can't be read as Python.")
    module = module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as error:  # the edge: a person's own file may do anything
        raise ModelFailed("missing", f"{name}: {path} can't be run: {type(error).__name__}: {error}.") from error
    return module


def _unknown(name: str, kind: str) -> ModelFailed:
    from difflib import get_close_matches  # here: it takes a third of this package's import

    close = get_close_matches(kind, KINDS, n=1)
    hint = f" Did you mean {close[0]}?" if close and close[0] != kind else ""
    if kind in KINDS:
        hint = " A model's name is missing." if name.rstrip(":/") == kind else " There is nothing to add to that name."
    return ModelFailed("missing", f"There is no model {name!r}.{hint} Names look like: {', '.join(FORMS)}.")
