"""A real proxy and a real TLS server for tests. All names lead to one server of this computer."""

from __future__ import annotations

import base64
import contextlib
import select
import socket
import ssl
import threading
from pathlib import Path

from wire.replaying import Raw

CERTIFICATE = Path(__file__).with_name("certificate.pem")
"""A certificate for localhost and model.test that signs itself, and its key: made for these tests, good for nothing else."""


class TlsRaw(Raw):
    """The server of exact bytes behind TLS."""

    def _serve(self, connection: socket.socket) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(CERTIFICATE)
        with contextlib.suppress(OSError):
            super()._serve(context.wrap_socket(connection, server_side=True))


class Proxying:
    """A proxy that leads every request to ``port``. ``login``: the name and password that it wants; ``silent``: it answers nothing."""

    def __init__(self, port: int, login: str = "", *, silent: bool = False) -> None:
        self._target, self._login, self._silent = port, login, silent
        self.asked: list[str] = []
        """The first line of each request."""
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        self.gone = threading.Event()
        """A client has left a silent proxy."""
        self._ends = threading.Event()
        self._threads = [threading.Thread(target=self._run, daemon=True)]

    def __enter__(self) -> Proxying:
        self._threads[0].start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ends.set()
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        for thread in self._threads:
            thread.join(10)

    def _run(self) -> None:
        while True:
            try:
                client, _ = self._socket.accept()
            except OSError:
                return
            thread = threading.Thread(target=self._serve, args=(client,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, client: socket.socket) -> None:
        with client, contextlib.suppress(OSError):
            data = b""
            while b"\r\n\r\n" not in data:
                more = client.recv(65_536)
                if not more:
                    return
                data += more
            head, _, rest = data.partition(b"\r\n\r\n")
            self.asked.append(head.split(b"\r\n")[0].decode())
            if self._silent:
                client.settimeout(20)
                if not client.recv(1):
                    self.gone.set()
                return
            known = b"proxy-authorization: Basic " + base64.b64encode(self._login.encode())
            if self._login and known not in head:
                client.sendall(b"HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\n\r\n")
                return
            with socket.create_connection(("127.0.0.1", self._target)) as server:
                if head.startswith(b"CONNECT"):
                    client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
                    server.sendall(rest)
                else:
                    server.sendall(data)
                self._pass_on(client, server)

    def _pass_on(self, client: socket.socket, server: socket.socket) -> None:
        while not self._ends.is_set():
            for ready in select.select([client, server], [], [], 0.05)[0]:
                data = ready.recv(65_536)
                if not data:
                    return
                (server if ready is client else client).sendall(data)
