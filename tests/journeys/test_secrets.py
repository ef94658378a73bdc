"""No process, reading, journal, log, export or screen holds a secret: canaries are planted where secrets live, real work is
done by models that try to print them, and everything that is left is searched."""

from __future__ import annotations

import base64
import json
import socket
import subprocess
import sys
import threading
import zlib
from collections.abc import Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from canaries import ALL, CANARIES, IN_ADDRESS, forms, found_in, smelt, written
from people import Done, Person
from wire import KINDS, Kind, Speech, WireServer

from gemot.boxes import guarantees

DIGGER = """+++
name = "digger"
description = "Digs."
grants = ["files/*", "shell/run", "python/run"]
+++
Dig. $files
"""
DIG = """
import os, glob
print(dict(os.environ))
for path in glob.glob("/proc/*/environ") + glob.glob("/proc/*/cmdline") + glob.glob("/work/**/.env", recursive=True):
    try:
        print(path, open(path, "rb").read())
    except OSError as error:
        print(path, error)
"""
SHELL = "env; set; export -p; cat /proc/*/environ; cat /etc/environment; ls -la / ~ /work; echo $OPENAI_API_KEY | rev | base64"
LOOKS = (
    ["log", "1"],
    ["log", "1", "--json"],
    ["replay", "1"],
    ["replay", "--check"],
    ["tree"],
    ["ps", "--all", "--json"],
)


@pytest.fixture
def planted(person: Person) -> Person:
    """A person whose environment holds every canary, and whose programs may run commands."""
    person.environment |= CANARIES | {"DATABASE_URL": f"postgres://me:{IN_ADDRESS}@db.example/x", "GEMOT_DEBUG": "1"}
    person.environment["GEMOT_CONFIG"] = str(person.folder / "config")
    (person.folder / "config" / "programs").mkdir(parents=True)
    (person.folder / "config" / "programs" / "digger.md").write_text(DIGGER)
    person.files(a__txt="hello\n")
    return person


def server(kind: Kind, speeches: Sequence[Speech]) -> WireServer:
    """A provider that knows its canary and says these things, one after the other."""
    made = WireServer(kind, lambda _, number: speeches[min(number, len(speeches) - 1)])
    made.key = CANARIES[f"{kind.upper()}_API_KEY"]
    return made


def typed(person: Person, provider: WireServer, *words: str, code: int | None = None) -> Done:
    """`gemot run` as a person types it; a traceback is welcome here."""
    environment = {name: value for name, value in provider.environment.items() if not name.endswith("_KEY")}
    command = ("run", "dig", "--program", "digger", "--model", provider.model, "--work", f"{person.work}:rw", *words)
    return person.gemot(*command, code=code, **environment)


def clean(person: Person, *shown: Done, looks: Sequence[Sequence[str]] = LOOKS) -> None:
    """Look at it in every way that there is; no canary anywhere."""
    outputs = [f"{done.out}\n{done.err}" for done in shown]
    export = person.folder / "tree.gemot"
    for words in (*looks, ["export", "1", str(export)]):
        done = person.gemot(*words, code=None)
        outputs.append(f"{done.out}\n{done.err}")
    assert export.exists(), outputs[-1]
    assert not [one for text in outputs for one in smelt("shown", text.encode())]
    assert not found_in(person.folder)


def every_form(kind: Kind) -> str:
    return written(CANARIES[f"{kind.upper()}_API_KEY"])


@pytest.mark.parametrize("kind", KINDS)
def test_a_provider_that_says_its_key_is_not_repeated(planted: Person, kind: Kind) -> None:
    said = every_form(kind)
    speeches = [
        Speech(f"Your key is {said}.", [("files/write", {"path": "stolen.txt", "content": said})], reasoning=said),
        Speech("", [("files/read", {"path": said[:60]}), (f"files/{said[:30]}", {})]),
        Speech("", [("exit", {"value": {"key": said}})]),
    ]
    with server(kind, speeches) as provider:
        done = typed(planted, provider)
        assert "[key]" in done.err
        assert "[key]" in (planted.work / "stolen.txt").read_text()
        clean(planted, done, typed(planted, provider, "--json"), looks=LOOKS if kind == "openai" else ())
        assert provider.refused == []


@pytest.mark.parametrize(("kind", "status"), list(zip(KINDS, (400, 401, 429, 500), strict=True)))
def test_a_providers_error_that_holds_the_key_is_not_repeated(planted: Person, kind: Kind, status: int) -> None:
    error = f"Authorization: Bearer {every_form(kind)} is not allowed " + "x" * 380 + every_form(kind)
    failing = [Speech(status=status, error=error, headers={"retry-after": "0"})] * 2
    with server(kind, [*failing, Speech(status=400, error=error)]) as provider:  # a failure that passes is told, too
        done = typed(planted, provider, code=1)
        assert "[key]" in done.err
        clean(planted, done, typed(planted, provider, "--json"), looks=LOOKS if kind == "openai" else ())


@pytest.mark.parametrize("kind", KINDS)
def test_a_key_that_is_refused_and_quoted_is_not_repeated(planted: Person, kind: Kind) -> None:
    with server(kind, [Speech("never said")]) as provider:
        provider.key = "another one"
        clean(planted, typed(planted, provider, code=1), looks=())


@pytest.mark.parametrize("kind", KINDS)
def test_a_redirect_does_not_carry_the_key_to_another_host(planted: Person, kind: Kind) -> None:
    with Echo() as elsewhere, Echo(to=elsewhere.url) as first:
        provider = server(kind, [])
        name = next(name for name in provider.environment if not name.endswith("_KEY"))
        command = ("run", "x", "--model", provider.model)
        done = planted.gemot(*command, code=1, **{name: first.url + ("/v1" if kind in ("openai", "ollama") else "")})
        assert first.heard, "the provider was asked"
        assert not smelt("sent on", "\n".join(elsewhere.heard).encode())
        clean(planted, done, looks=())


@pytest.mark.parametrize("kind", KINDS)
def test_a_page_that_is_no_reply_and_shows_the_request_is_not_repeated(planted: Person, kind: Kind) -> None:
    with Echo() as page:
        provider = server(kind, [])
        name = next(name for name in provider.environment if not name.endswith("_KEY"))
        done = planted.gemot("run", "x", "--model", provider.model, code=1, **{name: page.url})
        assert page.heard
        clean(planted, done, looks=())


@pytest.mark.skipif(
    bool(guarantees().missing(("environment",))), reason="no walls here, so these tools are not offered"
)
def test_a_model_that_digs_with_commands_finds_nothing(planted: Person) -> None:
    speeches = [
        Speech("", [("shell/run", {"command": SHELL}), ("python/run", {"code": DIG})]),
        Speech("", [("files/read", {"path": "/proc/self/environ"}), ("files/find", {"pattern": "**/.env"})]),
        Speech("", [("exit", {"value": "dug"})]),
    ]
    with server("openai", speeches) as provider:
        done = typed(planted, provider, code=0)
        results = json.dumps(provider.requests[-1])
        assert "exit_code" in results and "PATH" in results, "it did dig"
        assert not smelt("told to the provider", results.encode())
        clean(planted, done)


def test_a_file_that_holds_a_key_of_this_machine_is_read_without_it(planted: Person) -> None:
    (planted.work / ".envrc").write_text("\n".join(f"export {name}={value}" for name, value in ALL.items()))
    speeches = [Speech("", [("files/read", {"path": ".envrc"})]), Speech("", [("exit", {"value": "read"})])]
    with server("openai", speeches) as provider:
        done = typed(planted, provider, code=0)
        assert not smelt("told to the provider", json.dumps(provider.requests[-1]).encode())
        assert "[secret AWS_SECRET_ACCESS_KEY]" in json.dumps(provider.requests[-1])
        (planted.work / ".envrc").unlink()
        clean(planted, done)


def test_the_door_tells_no_key(planted: Person) -> None:
    """Somebody watches through the door while a provider says its key, word by word and in an error."""
    holding = threading.Event()
    said = every_form("openai")
    speeches = [
        Speech("", [("files/list", {})], holds=holding),
        Speech(f"Your key is {said}", [("files/read", {"path": said})]),
        Speech(status=400, error=said),
    ]
    with server("openai", speeches) as provider:
        environment = {"OPENAI_BASE_URL": provider.url}
        running = planted.begin("run", "dig", "--program", "digger", "--model", provider.model, **environment)
        planted.until(lambda: provider.requests)
        heard = b""
        with socket.socket(socket.AF_UNIX) as door:
            door.connect(str(planted.home / "door"))
            wishes: list[dict[str, Any]] = [{"type": "watch"}, {"type": "processes"}, {"type": "asks"}]
            wishes.append({"type": "start", "goal": "x", "model": f"hand:http://me:{CANARIES['PARTNER_TOKEN']}@x/v1"})
            for number, wish in enumerate(wishes):
                door.sendall(json.dumps({"id": number + 1, "do": wish}).encode() + b"\n")
            holding.set()
            while data := door.recv(65_536):
                heard += data
        out, err = running.communicate(timeout=60)
        assert b"[key]" in heard
        assert not smelt("through the door", heard)
        clean(planted, Done(running.returncode, out, err))


class Echo:
    """A server that is no provider: it repeats what it was sent, or sends everybody ``to`` somewhere else."""

    def __init__(self, to: str = "") -> None:
        self.heard: list[str] = []
        echo = self

        class Page(BaseHTTPRequestHandler):
            def log_message(self, format: str, *args: object) -> None:
                """Silent."""

            def do_POST(self) -> None:
                sent = f"{self.path}\n{self.headers}"
                echo.heard.append(sent)
                self.rfile.read(int(self.headers["content-length"]))
                body = f"<html><pre>{sent}\n{base64.b64encode(sent.encode()).decode()}</pre></html>".encode()
                self.send_response(307 if to else 200)
                if to:
                    self.send_header("location", to + self.path)
                self.send_header("content-type", "text/html")
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Page)
        self.url = f"http://127.0.0.1:{self._http.server_address[1]}"
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True)

    def __enter__(self) -> Echo:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._http.shutdown()
        self._http.server_close()


def test_what_says_how_the_machine_is_says_no_key(planted: Person) -> None:
    for words in (["doctor"], ["models"], ["models", "--json"], ["programs"], ["asks"]):
        done = planted.gemot(*words, code=None)
        assert not smelt(words[0], f"{done.out}\n{done.err}".encode())


@pytest.mark.parametrize(
    "model", ["opnai", "openai", "hand:http://me:{}@127.0.0.1:1/v1", "hand:http://127.0.0.1:1/v1?key={}"]
)
def test_a_traceback_shows_no_key(planted: Person, model: str) -> None:
    command = [sys.executable, "-m", "gemot", "run", "x", "--model", model.format(CANARIES["PARTNER_TOKEN"])]
    done = subprocess.run(
        command, env=planted.environment, cwd=planted.work, capture_output=True, timeout=60, check=False
    )
    assert done.returncode == 2 and b"Traceback" in done.stderr
    assert not smelt("shown", done.stdout + done.stderr) and not found_in(planted.folder)


def test_the_nose_finds_what_is_planted(tmp_path: Path) -> None:
    """A search that finds nothing anywhere would prove nothing."""
    texts = [text for value in ALL.values() for text, _ in forms(value).values()]
    for number, text in enumerate(texts):
        (tmp_path / f"{number}.txt").write_text(f"before {text} after")
        (tmp_path / f"{number}.z").write_bytes(b"packed" + zlib.compress(text.encode()))
    found = found_in(tmp_path)
    for number in range(len(texts)):
        assert [one for one in found if f"/{number}.txt: " in one], texts[number]
        assert [one for one in found if f"/{number}.z unpacked" in one], texts[number]
