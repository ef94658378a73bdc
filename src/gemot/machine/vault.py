"""The vault: where drivers' secrets come from, and what keeps them, and all others of this computer, out of every event.

A tool says by name which secrets it needs. They are fetched for each use: from the variable ``GEMOT_SECRET_NAME``, else from
the computer's keyring (service ``gemot``), if the package `keyring` is installed. No process, model or program gets near.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from gemot.drivers.kit import Tool, ToolError
from gemot.drivers.secret import Secret
from gemot.models.redacting import CHARS_MIN, Redactor, secrets_of
from gemot.models.secrecy import ordinary

SERVICE = "gemot"

PLAIN_CHARS_MIN = 16
"""A secret that is only letters must be this long: a shorter one stands in texts that have nothing to do with it."""


class Vault:
    """``redactor`` knows the secrets of ``environment`` from the start, and each one that was fetched. ``chosen``: by variable,
    whether the person takes it for a secret, where that is not what its value says."""

    def __init__(self, environment: Mapping[str, str] = os.environ, chosen: Mapping[str, bool] | None = None) -> None:
        self._environment, self._chosen = environment, chosen
        self.redactor = Redactor()
        self.look()

    def look(self) -> None:
        """Learn the secrets that are in the environment now."""
        for name, value in secrets_of(self._environment, self._chosen).items():
            self.redactor.learn(f"secret {name}", value)

    def fetch(self, tool: Tool) -> dict[str, Secret]:
        """The secrets of a tool, by the parameters that take them. Raises :class:`ToolError` where one is not there. May take
        as long as a keyring does."""
        return {parameter: Secret(self._value(tool.spec.name, parameter)) for parameter in tool.spec.secrets}

    def _value(self, tool: str, name: str) -> str:
        variable = f"GEMOT_SECRET_{name.upper()}"
        value = self._environment.get(variable, "").strip() or _from_keyring(name)
        if not value:
            raise ToolError(
                f"{tool} needs the secret {name!r}, which the person has not given to this machine: they set {variable}, "
                f"or keep it with `keyring set {SERVICE} {name}`"
            )
        if len(value) < CHARS_MIN:
            raise ToolError(
                f"the secret {name!r} is shorter than {CHARS_MIN} characters, so it could not be kept out of results; "
                "the person must give a longer one"
            )
        if len(value) < PLAIN_CHARS_MIN and value.isalpha() and ordinary(value):
            raise ToolError(
                f"the secret {name!r} could be a word, so it could not be kept out of results without spoiling them; "
                f"the person must give one with digits, or of {PLAIN_CHARS_MIN} characters or more"
            )
        self.redactor.learn(f"secret {name}", value)
        return value


def _from_keyring(name: str) -> str:
    if find_spec("keyring") is None:
        return ""
    keyring: Any = import_module("keyring")
    try:
        return keyring.get_password(SERVICE, name) or ""
    except Exception as error:  # noqa: BLE001 - the edge: keyrings fail in as many ways as there are desktops
        raise ToolError(
            f"the keyring could not be asked for {name!r} ({type(error).__name__}); the person must unlock it"
        ) from None
