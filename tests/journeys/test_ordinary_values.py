"""Variables with ordinary values change nothing that is read or written; real secrets are neither shown nor written."""

from __future__ import annotations

import asyncio
import random
import secrets as tokens
import string
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gemot import Machine, scripted
from gemot.abi.grants import Grant
from gemot.models.redacting import Redactor, secrets_of
from gemot.models.scripted import request
from gemot.models.secrecy import ordinary

TOKEN = "ghp_16C7e42F292c6912E7710c838347Ae178B4a"


def run(work: Path, *uses: dict[str, Any], home: Path | None = None, **means: Any) -> list[str]:
    """A model makes these uses, one after the other; what it was shown at the end."""
    shown: list[str] = []

    def model(question: Any) -> Any:
        shown.append(str(question.messages))
        number = len(shown) - 1
        if number == len(uses):
            return request("exit", value="end")
        arguments = dict(uses[number])
        return request(arguments.pop("name"), **arguments)

    async def go() -> None:
        opened = await Machine.open(home, in_memory=home is None, models={"m": scripted(model)}, **means)
        async with opened as machine:
            pid = await machine.start("go", model="m", work=work, grants=[Grant("files/*")])
            outcome = await asyncio.wait_for(machine.result(pid), 60)
            assert outcome.state == "done", outcome

    asyncio.run(go())
    return shown


def test_a_password_that_is_a_word_changes_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DB_PASSWORD", "password")
    text = "def login(user, password):\n    password = ask()\n"
    shown = run(
        tmp_path,
        {"name": "files/write", "path": "login.py", "content": text} | {},
        {"name": "files/read", "path": "login.py"},
    )
    assert (tmp_path / "login.py").read_text() == text
    assert "password = ask()" in shown[-1] and "[secret" not in shown[-1]


def test_a_file_that_holds_an_ordinary_value_can_be_edited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POSTGRES_PASSWORD", "postgres")
    (tmp_path / "compose.yml").write_text("services:\n  db:\n    image: postgres:16\n")
    run(
        tmp_path,
        {"name": "files/read", "path": "compose.yml"},
        {"name": "files/edit", "path": "compose.yml", "old": "image: postgres:16", "new": "image: postgres:17"},
    )
    assert (tmp_path / "compose.yml").read_text() == "services:\n  db:\n    image: postgres:17\n"


def test_a_real_secret_is_not_shown_and_its_stand_in_is_not_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_TOKEN", TOKEN)
    before = f"a = 1\ntoken = '{TOKEN}'\n"
    work = tmp_path / "work"
    work.mkdir()
    (work / "a.py").write_text(before)
    shown = run(
        work,
        {"name": "files/read", "path": "a.py"},
        {"name": "files/write", "path": "b.py", "content": "token = '[secret GITHUB_TOKEN]'"},
        {"name": "files/write", "path": "c.py", "content": f"token = '{TOKEN}'"},
        {"name": "files/edit", "path": "a.py", "old": "token = '[secret GITHUB_TOKEN]'", "new": "token = ''"},
        home=tmp_path / "home",
    )
    assert TOKEN not in shown[-1] and "[secret GITHUB_TOKEN]" in shown[-1]
    assert shown[-1].count("this would write the value of the secret GITHUB_TOKEN") == 3
    assert (work / "a.py").read_text() == before and sorted(one.name for one in work.iterdir()) == ["a.py"]
    assert not [one for one in (tmp_path / "home").rglob("*") if one.is_file() and TOKEN.encode() in one.read_bytes()]
    run(work, {"name": "files/edit", "path": "a.py", "old": "a = 1", "new": "a = 2"})
    assert (work / "a.py").read_text() == before.replace("a = 1", "a = 2")


def test_a_person_says_what_counts_as_a_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_TOKEN", TOKEN)
    monkeypatch.setenv("DOOR", "ordinary-words")
    text = f"{TOKEN} and ordinary-words"
    (tmp_path / "a.txt").write_text(text)
    shown = run(tmp_path, {"name": "files/read", "path": "a.txt"}, secrets={"GITHUB_TOKEN": False, "DOOR": True})
    assert f"{TOKEN} and [secret DOOR]" in shown[-1]


WORDS = [
    "password",
    "postgres",
    "token",
    "secret",
    "admin",
    "user",
    "login",
    "hello",
    "world",
    "service",
    "account",
    "production",
    "config",
    "value",
    "path",
]


def ordinary_value(chance: random.Random) -> str:
    joint = chance.choice(["_", "-", ".", "", "/", ":"])
    words = chance.choices(WORDS, k=chance.randint(1, 4))
    words = [chance.choice([str.lower, str.upper, str.capitalize])(word) for word in words]
    return joint.join(words) + chance.choice(["", "1", "42", "2024", "_v2", "123"])


@pytest.mark.parametrize("seed", range(5))
def test_any_text_passes_where_the_values_are_words_names_and_numbers(seed: int) -> None:
    chance = random.Random(seed)
    for _ in range(400):
        number = chance.choice(
            [str(chance.randint(0, 10**18)), f"{chance.random()}", "2026-11-30T21:00:00Z", "10.4.2-rc1"]
        )
        value = chance.choice([ordinary_value(chance), number])
        found = secrets_of({"DB_PASSWORD": value, "API_TOKEN": value, "SECRET_KEY": value})
        text = f"x{value}y {value}"
        assert Redactor(found).text(text) == text, (seed, value)


MAKERS: list[Callable[[], str]] = [
    lambda: tokens.token_hex(16),
    lambda: tokens.token_urlsafe(24),
    lambda: "".join(tokens.choice(string.ascii_letters + string.digits) for _ in range(32)),
    lambda: "sk-proj-" + tokens.token_urlsafe(32),
]


@pytest.mark.parametrize("maker", MAKERS, ids=range(len(MAKERS)))
def test_a_random_token_is_taken_out_of_every_text(maker: Callable[[], str]) -> None:
    for _ in range(300):
        token = maker()
        cleaned = Redactor(secrets_of({"API_TOKEN": token})).text(
            f"it is {token}, or {token[::-1]}, or {token.encode().hex()}"
        )
        assert cleaned == "it is [API_TOKEN], or [API_TOKEN], or [API_TOKEN]", token


@pytest.mark.parametrize(
    "value",
    [
        "ollama", "EMPTY", "none", "dummy", "changeme", "k", "AKIAIOSFODNN7EXAMPLE", "sk-1234567890abcdef", "sk-your-key-here",
        "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "sk_test_4eC39HqLyjWDarjtT1zdp7dc", "sk-xxxxxxxxxxxxxxxxxxxxxxxx", "${TOKEN}",
        "/etc/ssl/private/key.pem", "https://example.org/path", "db.internal.example.org:5432", "me@example.org", "en_US.UTF-8",
        "2026-11-30", "1234567890123456", "correct horse battery staple", "DatabaseConnectionFactory", "utf8mb4_unicode_ci",
        "changeme123", "MyP@ssw0rd2024!", "P@55w0rd1234", "1q2w3e4r5t6y", "Str0ng!Passw0rd", "p4$$w0rd12345", "qwerty!@#$%^",
        "pk_test_TYooMQauvdEDq54NiTphI7jx", "QWxhZGRpbjpvcGVuIHNlc2FtZQ==", "sk-test-placeholder-for-dev",
    ],
)  # fmt: skip
def test_placeholders_names_and_places_are_no_secrets(value: str) -> None:
    assert ordinary(value) and not secrets_of({"API_KEY": value})


TOKENS = {
    "base64 that begins like a path": "/54rTgV2lKCmSDWh/dGVkNGyKbbVLOpecDYQvY9n",
    "few odd pairs, in a known form": "sk_live_jYOimrDlChPpADdNIOMKIAau",
    "a placeholder in it by chance": "ghp_mLnSmM6uXgTodocGz2hCROFFeV4YNHpRmgZq",
    "digits, then letters": "xoxb-745091964674-318210874597-pMeNoD4pTeLavapYx2qfEhHU",
    "a web token": "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiI3MjcwMTUwMjIifQ.DaaKqqvTvTlwQHdJxdmHrlmYbtPmHCXxEhqssHxLjGI",
}


@pytest.mark.parametrize("name", ["API_KEY", "DB_PASS", "GITHUB_PAT"])
@pytest.mark.parametrize("value", TOKENS.values(), ids=TOKENS)
def test_a_key_that_looks_like_something_else_is_a_secret(name: str, value: str) -> None:
    assert secrets_of({name: value}) == {name: value}


@pytest.mark.parametrize(
    "name", ["CACHE_KEY", "SSH_PUBLIC_KEY", "NEXT_PUBLIC_API_KEY", "GITHUB_SHA", "STRIPE_PUBLISHABLE_KEY"]
)
def test_a_commit_or_a_digest_in_a_variable_that_is_no_secret_is_left_alone(name: str) -> None:
    assert not secrets_of({name: "6a76ac9b0b7f4c1d9e8a3f52d1c07be4558a9d10"})
