"""A tool's secret: it reaches the function, and nothing else; with the walls off, each of these tricks shows it."""

from __future__ import annotations

import asyncio
import base64
import copy
import json
import pickle
import re
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from gemot import Driver, Grant, Machine, ToolError, request, scripted
from gemot.drivers.kit import Secret, Tool, tool
from gemot.machine.notes import to_json
from gemot.models.redacting import Redactor, Stream, secrets_of
from gemot.models.scripted import heard

VALUE = "hunter-2/+the ledger's key=="
seen: list[str] = []


def ledger_driver() -> Driver:
    driver = Driver("ledger", "Accounts.")

    def uses(function: Callable[..., Any]) -> None:
        driver.tool(effect="reads", repeatable=True, secrets=("ledger",))(function)

    def balance(account: str, ledger: Secret) -> str:
        """The balance."""
        seen.append(ledger.reveal())
        return f"{account}: 7, asked with {ledger}"

    def careless(ledger: Secret) -> dict[str, Any]:
        """Returns it."""
        value = ledger.reveal()
        packed = base64.b64encode(f"Bearer {value}".encode()).decode()
        return {"key": value, "backwards": value[::-1], "packed": packed, "hex": value.encode().hex(), "it": ledger}

    async def fails(ledger: Secret) -> str:
        """Fails with it."""
        raise RuntimeError(f"401: Authorization: Bearer {ledger.reveal()}")

    def explains(ledger: Secret) -> str:
        """Explains with it."""
        raise ToolError(f"{ledger.reveal()} is not accepted")

    def large(ledger: Secret) -> str:
        """Much, with it at the end of the preview."""
        return "x" * 590 + ledger.reveal() + "y" * 20_000

    for function in (balance, careless, fails, explains, large):
        uses(function)
    return driver


ALL_USES = [
    request("ledger/balance", account="mine"),
    *(request(f"ledger/{name}") for name in ("careless", "fails", "explains", "large")),
]


def digger(question: Any) -> Any:
    """Uses every tool, reads the large result, exits with all that it was told."""
    results = heard(question)
    if not results:
        return ALL_USES
    if results[0].name == "read":
        return request("exit", value="\n".join(one.text for one in results))
    handle = int(results[-1].text.rpartition("handle ")[2].partition(":")[0])
    return [
        request("read", handle=handle, start=580, length=8_000),
        request("read", handle=handle, start=0, length=600),
    ]


async def dig(home: Path) -> tuple[str, str]:
    """What a process with these tools ends with, and everything that anybody was shown meanwhile."""
    notes: list[str] = []
    models = {"digger": scripted(digger)}
    async with await Machine.open(home, drivers=[ledger_driver()], models=models) as machine:
        machine.watch(lambda note: notes.append(to_json(note)))
        pid = await machine.start("dig", model="digger", grants=[Grant("ledger/*")])
        outcome = await machine.result(pid)
        machine.export(pid, home / "tree.gemot")
    assert outcome.state == "done", outcome
    return str(outcome.value), "\n".join(notes)


def left_in(home: Path) -> bytes:
    import zlib

    found = b""
    for path in home.rglob("*"):
        if path.is_file():
            data = path.read_bytes()
            found += data
            if path.suffix == ".gemot":
                found += zlib.decompress(data[data.index(b"\n") + 33 :])
    return found


def leaks(text: str) -> list[str]:
    packed = base64.b64encode(f"Bearer {VALUE}".encode()).decode()[12:-4]
    return [one for one in (VALUE, VALUE[::-1], packed, VALUE.encode().hex(), VALUE[:14]) if one in text]


def test_a_secret_reaches_its_tool_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GEMOT_SECRET_LEDGER", VALUE)
    seen.clear()
    told, shown = asyncio.run(dig(tmp_path / "home"))
    assert seen == [VALUE]
    assert "mine: 7, asked with ***" in json.dumps(shown) and "[secret" in told
    assert not leaks(told) and not leaks(shown) and not leaks(left_in(tmp_path / "home").decode("latin-1"))


def test_without_this_wall_the_same_tools_would_have_told_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GEMOT_SECRET_LEDGER", VALUE)
    monkeypatch.setattr(Redactor, "learn", lambda *_: None)
    told, shown = asyncio.run(dig(tmp_path / "home"))
    assert leaks(told) and leaks(shown) and leaks(left_in(tmp_path / "home").decode("latin-1"))


def test_a_secret_that_is_not_there_is_answered_with_how_to_give_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("GEMOT_SECRET_LEDGER", raising=False)
    assert "GEMOT_SECRET_LEDGER" in asyncio.run(one_use(tmp_path))
    monkeypatch.setenv("GEMOT_SECRET_LEDGER", "short")
    assert "shorter than 8" in asyncio.run(one_use(tmp_path))


async def one_use(folder: Path) -> str:
    def ask(question: Any) -> Any:
        return request("exit", value=heard(question)[0].text) if heard(question) else ALL_USES[0]

    async with await Machine.open(in_memory=True, drivers=[ledger_driver()], models={"m": scripted(ask)}) as machine:
        pid = await machine.start("x", model="m", grants=[Grant("ledger/*")])
        return str((await machine.result(pid)).value)


def test_a_secret_may_live_in_the_keyring(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keyring = ModuleType("keyring")
    asked: list[tuple[str, str]] = []

    def get_password(service: str, name: str) -> str:
        asked.append((service, name))
        return VALUE

    keyring.get_password = get_password  # type: ignore[attr-defined]
    keyring.__spec__ = __import__("importlib.machinery").machinery.ModuleSpec("keyring", None)
    monkeypatch.setitem(sys.modules, "keyring", keyring)
    monkeypatch.delenv("GEMOT_SECRET_LEDGER", raising=False)
    seen.clear()
    assert asyncio.run(one_use(tmp_path)) == "mine: 7, asked with ***"
    assert (seen, asked) == ([VALUE], [("gemot", "ledger")])

    def locked(service: str, name: str) -> str:
        raise OSError(f"locked, and here is its content: {VALUE}")

    keyring.get_password = locked  # type: ignore[attr-defined]
    said = asyncio.run(one_use(tmp_path))
    assert "unlock" in said and not leaks(said)


def test_a_secret_shows_itself_nowhere() -> None:
    secret = Secret(VALUE)
    shown = f"{secret} {secret!r} {secret!s:>5} {[secret]} {json.dumps({'a': secret})} {secret + ''}"
    assert VALUE not in shown and "***" in shown and secret.reveal() == VALUE
    for stored in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError, match="neither copied nor stored"):
            stored(secret)


def test_a_model_is_shown_nothing_of_it_and_the_manifest_names_it() -> None:
    made: Tool = ledger_driver().tools["ledger/balance"]
    assert list(made.spec.schema["properties"]) == ["account"] and made.spec.secrets == ("ledger",)
    with pytest.raises(Exception, match="ledger"):
        made.decode('{"account": "mine", "ledger": "mine, too"}')


def test_a_secret_is_declared_in_both_places_or_refused() -> None:
    def typed(key: Secret) -> str:
        """Words."""
        return ""

    def plain(key: str) -> str:
        """Words."""
        return ""

    def none() -> str:
        """Words."""
        return ""

    for function, secrets in ((typed, ()), (plain, ("key",)), (none, ("key",))):
        with pytest.raises(ValueError, match="secret"):
            tool("a/b", effect="reads", repeatable=True, secrets=secrets)(function)


# What takes them out.


def test_what_is_a_secret_in_an_environment() -> None:
    token, password = "ghp_16C7e42F292c6912E7710c838347Ae178B4a", "Xs8Za1Qw-Kp4Lm8"
    environment = {
        "OPENAI_API_KEY": token, "PGPASSWORD": f" {password} ", "GITHUB_TOKEN": "abcdefgh", "SSH_KEY": "/home/you/.ssh/id",
        "DATABASE_URL": f"postgres://me:{password}@host/x", "HOME": "/home/you", "EDITOR": "a-long-editor",
        "TOKENIZERS_PARALLELISM": "false", "ODD_URL": "http://[@", "PLAIN_URL": "https://example.org/@you",
        "DB_PASSWORD": "password", "OTHER_URL": "postgres://me:a-long-password@host/x", "PLAIN": token,
    }  # fmt: skip
    assert secrets_of(environment) == {"OPENAI_API_KEY": token, "PGPASSWORD": password, "DATABASE_URL": password}


@pytest.mark.parametrize("size", [1, 2, 7, 1_000])
def test_words_that_arrive_in_pieces_are_cleaned(size: int) -> None:
    text = f"the key is {VALUE}, and {VALUE.encode().hex()}, and hunter, hunter-"
    out: list[str] = []
    stream = Stream(Redactor({"key": VALUE}), out.append)
    for at in range(0, len(text), size):
        stream(text[at : at + size])
    stream.end()
    assert "".join(out) == "the key is [key], and [key], and hunter, hunter-"


def test_the_page_shows_a_driver_that_can_be_made() -> None:
    page = Path(__file__).parents[2] / "docs" / "how-to" / "give-a-driver-a-secret.md"
    names: dict[str, Any] = {}
    for block in re.findall(r"```python\n(.*?)```", page.read_text(), re.DOTALL):
        exec(compile(block, str(page), "exec"), names)
    (spec,) = names["issues"].manifest().tools
    assert spec.secrets == ("codehost",) and list(spec.schema["properties"]) == ["number"]
