"""A local server that speaks a provider's real wire format, and refuses what that provider refuses."""

from __future__ import annotations

import json
import select
import socket
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import ModuleType
from typing import Any, Literal
from urllib.parse import urlsplit

from wire import anthropic_format, google_format, openai_format, responses_format
from wire.pictures import Picture
from wire.speech import Speech

Kind = Literal["openai", "anthropic", "google", "ollama", "responses"]
KINDS: tuple[Kind, ...] = ("openai", "anthropic", "google", "ollama")
"""One for each provider."""
FORMATS: tuple[Kind, ...] = (*KINDS, "responses")
"""One for each wire format and provider. ``responses`` is OpenAI's other format."""
Script = Callable[[dict[str, Any], int], Speech | str]
"""The request's body and how many came before it; what to say."""

_FORMATS: dict[str, ModuleType] = {
    "openai": openai_format,
    "anthropic": anthropic_format,
    "google": google_format,
    "ollama": openai_format,
    "responses": responses_format,
}
_MODELS = {
    "openai": "gpt-4.1-mini",
    "anthropic": "claude-haiku-4-5",
    "google": "gemini-2.5-flash",
    "ollama": "qwen3:8b",
    "responses": "gpt-5-codex",
}
_VARIABLES = {
    "openai": ("OPENAI_BASE_URL", "OPENAI_API_KEY"),
    "anthropic": ("ANTHROPIC_BASE_URL", "ANTHROPIC_API_KEY"),
    "google": ("GOOGLE_BASE_URL", "GOOGLE_API_KEY"),
    "ollama": ("OLLAMA_HOST", "OLLAMA_API_KEY"),
    "responses": ("OPENAI_BASE_URL", "OPENAI_API_KEY"),
}


class WireServer:
    """A context manager: a server in a thread, on a free port of this computer.

    ``script`` says what to answer. ``url`` is the base address that a client is given, ``requests`` are the bodies
    that arrived, ``refused`` says why requests were refused as malformed. ``model`` is the name to give to gemot;
    ``environment`` the variables that lead gemot here. ``gone`` is set when a client leaves before its reply.
    ``sees`` False: images are refused, as the provider refuses them for a model that takes none; ``unseen`` counts it.
    """

    def __init__(
        self, kind: Kind, script: Script | str = "Hello.", *, sees: bool = True, model: str | None = None
    ) -> None:
        self.kind = kind
        self.sees = sees
        self.unseen = 0
        self._model = model or _MODELS[kind]
        self.script: Script = (lambda _, __: script) if isinstance(script, str) else script
        self.key = f"sk-{kind}-0123456789abcdef"
        self.requests: list[dict[str, Any]] = []
        self.refused: list[str] = []
        self.signatures: set[str] = set()
        self.gone = threading.Event()
        self.asked = threading.Event()
        self._counting = threading.Lock()
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), _endpoint(self))
        self._http.daemon_threads = True
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True)

    def __enter__(self) -> WireServer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    @property
    def url(self) -> str:
        root = f"http://127.0.0.1:{self._http.server_address[1]}"
        return f"{root}/v1" if self.kind in ("openai", "ollama", "responses") else root

    @property
    def model(self) -> str:
        return f"{'openai' if self.kind == 'responses' else self.kind}:{self._model}"

    @property
    def environment(self) -> dict[str, str]:
        url, key = _VARIABLES[self.kind]
        return {url: self.url, key: self.key}

    def pictures(self, number: int = -1) -> list[Picture]:
        """The images of a request that arrived, in their order."""
        return _FORMATS[self.kind].pictures(self.requests[number])

    def speech(self, request: dict[str, Any]) -> tuple[Speech, int]:
        """What to answer, and the request's number. A malformed request is refused before the script sees it."""
        with self._counting:
            number = len(self.requests)
            self.requests.append(request)
        speaks = _FORMATS[self.kind]
        dialect = self._model if self.kind == "google" else self.kind
        wrong = list(speaks.wrong(request, dialect, self.signatures))
        if wrong:
            self.refused.extend(wrong)
            return Speech(status=400, error="; ".join(wrong)), number
        if not self.sees and speaks.pictures(request):
            self.unseen += 1
            status, words = speaks.BLIND[self.kind]
            return Speech(status=status, error=words), number
        said = self.script(request, number)
        speech = Speech(said) if isinstance(said, str) else said
        if speech.signature:
            self.signatures.add(speech.signature)
        return speech, number


def _endpoint(server: WireServer) -> type[BaseHTTPRequestHandler]:
    speaks = _FORMATS[server.kind]

    class Endpoint(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True  # small events at once, or each reply waits 40 ms for an acknowledgement

        def log_message(self, format: str, *args: object) -> None:
            """Silent: a test's output is about the test."""

        def do_POST(self) -> None:
            request = json.loads(self.rfile.read(int(self.headers["content-length"])))
            path = urlsplit(self.path).path
            given = self.headers.get("authorization", "").removeprefix("Bearer ")
            given = self.headers.get("x-api-key") or self.headers.get("x-goog-api-key") or given
            if not speaks.PATH.match(path):
                return self.send(404, speaks.error(404, f"no such path: {path}"), {})
            if given != server.key:
                return self.send(401, speaks.error(401, f"Incorrect API key provided: {given}."), {})
            speech, number = server.speech(request)
            server.asked.set()
            if speech.holds is not None and not self.held(speech.holds):
                return None
            if speech.status != 200:
                return self.send(
                    speech.status, speaks.error(speech.status, speech.error or "No."), dict(speech.headers)
                )
            if not speaks.streams(self.path, request):
                return self.send(200, speaks.whole(speech, request, number, server.kind), {})
            return self.stream(speech, list(speaks.events(speech, request, number, server.kind)))

        def held(self, until: threading.Event) -> bool:
            """Wait; False when the client went away."""
            while not until.is_set():
                readable, _, _ = select.select([self.connection], [], [], 0.01)
                if readable and not self.connection.recv(1, socket.MSG_PEEK):
                    server.gone.set()
                    self.close_connection = True
                    return False
            return True

        def send(self, status: int, body: dict[str, Any], headers: dict[str, str]) -> None:
            data = json.dumps(body).encode()
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def stream(self, speech: Speech, events: list[tuple[str, dict[str, Any] | str]]) -> None:
            quiet = speech.dies == "quiet"
            self.send_response(200)
            self.send_header("content-type", "text/event-stream")
            # Without chunks, the end of the connection is the end of the reply: a death that can't be told from it.
            self.send_header("connection" if quiet else "transfer-encoding", "close" if quiet else "chunked")
            self.end_headers()
            for kind, event in events[: len(events) // 2] if speech.dies else events:
                data = event if isinstance(event, str) else json.dumps(event)
                text = (f"event: {kind}\n" if kind else "") + f"data: {data}\n\n"
                self.write(text.encode(), chunked=not quiet)
            if speech.dies:
                self.close_connection = True
                self.wfile.flush()
                self.connection.shutdown(socket.SHUT_RDWR)
            else:
                self.wfile.write(b"0\r\n\r\n")

        def write(self, data: bytes, chunked: bool) -> None:
            self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data) if chunked else data)
            self.wfile.flush()

    return Endpoint
