"""Everything that an attempt may try to reach or to harm, made for it and thrown away: folders, processes, sockets, keys.

Without walls an attempt runs as this very user, so all it is pointed at is the arena's own. Where it must turn to the
computer itself, it changes nothing: it writes what is there already, or mounts in a view of the disk of its own.
"""

from __future__ import annotations

import ctypes
import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Any

MARK = "GEMOT_ESCAPES_MARK"
"""The variable that holds the secret; in the environment of the eval from its start."""
NAME = "GEMOT_ESCAPES_ARENA"
_libc = ctypes.CDLL(None, use_errno=True)


class Arena:
    """``said``: how many bytes of an attempt's output were kept."""

    def __init__(self) -> None:
        self.name = f"gemot-{secrets.token_hex(6)}"
        self.mark = os.environ[MARK].encode()
        self.said = 0
        self._top = Path(tempfile.mkdtemp(prefix="gemot escapes ü "))
        self.work, self.fixed = self._top / "work", self._top / "fixed"
        self.proxy = str(self._top / "proxy")
        self.stays = f"{secrets.randbelow(10**6) + 10**6}.5"
        self._fill()
        self._victim = subprocess.Popen(["sleep", f"{secrets.randbelow(10**6) + 10**6}.25"])
        self._listen()
        self._share()

    def _fill(self) -> None:
        for folder in (self.work / ".git/hooks", self.work / "sub/inner/.git/hooks", self.fixed, self._top / "secret"):
            folder.mkdir(parents=True)
        (self.work / ".git/config").write_text("[core]\n")
        (self.work / "linked-store/hooks").mkdir(parents=True)
        (self.work / "linked").mkdir()
        (self.work / "linked/.git").symlink_to("../linked-store")
        (self.fixed / "kept").write_text("kept")
        self.secret = self._top / "secret" / "key"
        self.secret.write_bytes(self.mark)
        self._descriptor = os.open(self.secret, os.O_RDONLY)
        os.set_inheritable(self._descriptor, True)
        self.shared, self.left = Path(f"/dev/shm/{self.name}-shared"), Path(f"/tmp/{self.name}-left")
        for path in (self.shared, self.left):
            path.write_bytes(self.mark)
        self._system = tempfile.mkdtemp(prefix=self.name, dir="/usr/local") if os.geteuid() == 0 else ""
        if self._system:
            os.chmod(self._system, 0o755)
            self.system_secret = Path(self._system, "secret")
            self.system_secret.write_bytes(self.mark)
            self.system_secret.chmod(0o600)
        if os.geteuid() == 0:
            shutil.copy(shutil.which("id") or "/usr/bin/id", self.work / "as-another")
            os.chown(self.work / "as-another", 12345, 12345)
            (self.work / "as-another").chmod(0o4755)

    def _listen(self) -> None:
        self._tcp = socket.create_server(("127.0.0.1", 0))
        self._tcp6 = socket.socket(socket.AF_INET6)
        if socket.has_ipv6:
            try:
                self._tcp6.bind(("::1", 0))
                self._tcp6.listen()
            except OSError:
                pass  # then it can't be shown
        self._udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._udp.bind(("127.0.0.1", 0))
        self._udp.settimeout(0.2)
        self._abstract, self._unix = socket.socket(socket.AF_UNIX), socket.socket(socket.AF_UNIX)
        self._abstract.bind("\0" + self.name)
        self._unix.bind(str(self.work / "s"))
        for one in (self._abstract, self._unix):
            one.listen()
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.own_port = free.getsockname()[1]
        self._knocked, self._over = False, threading.Event()
        self._knocker = threading.Thread(target=self._knock)
        self._knocker.start()

    def _knock(self) -> None:
        while not self._over.wait(0.02):
            try:
                socket.create_connection(("127.0.0.1", self.own_port), 1).close()
            except OSError:
                continue
            self._knocked = True

    def _share(self) -> None:
        self._shared_key, self._queue_key = (secrets.randbelow(1 << 30) + 1 for _ in range(2))
        self._segment = _libc.shmget(self._shared_key, 4096, 0o1600)
        _libc.shmat.restype = ctypes.c_void_p
        place = _libc.shmat(self._segment, None, 0)
        ctypes.memmove(place, self.mark, len(self.mark))
        self._queue = _libc.msgget(self._queue_key, 0o1600)

    def facts(self, boxed: bool) -> dict[str, Any]:
        """What the attempt is told."""
        disks = [name for name in os.listdir("/sys/block") if os.path.exists(f"/dev/{name}")]
        disks = [name for name in disks if not name.startswith(("loop", "ram", "zram"))]
        number = os.stat(f"/dev/{disks[0]}").st_rdev if disks else 0
        return {
            "name": self.name,
            "mark": self.mark,
            "work": "/work" if boxed else str(self.work),
            "fixed": "/fixed" if boxed else str(self.fixed),
            "secret": str(self.secret),
            "system_secret": f"{self._system}/secret",
            "planted": str(self.planted()),
            "shared": str(self.shared),
            "left": str(self.left),
            "disks": disks,
            "disk_number": (os.major(number), os.minor(number)),
            "pid": os.getpid(),
            "victim": self._victim.pid,
            "victim_name": str(self._victim.args[1]).encode(),
            "stays": self.stays,
            "port": self._tcp.getsockname()[1],
            "port6": self._tcp6.getsockname()[1],
            "udp": self._udp.getsockname()[1],
            "own_port": self.own_port,
            "abstract": self.name,
            "proxy": self.proxy,
            "descriptor": self._descriptor,
            "shared_key": self._shared_key,
            "queue_key": self._queue_key,
        }

    # -- what it looks like afterwards ------------------------------------------------------------------------

    def planted(self) -> Path:
        return self._top / "planted"

    def victim_ended(self) -> bool:
        time.sleep(0.05)
        return self._victim.poll() is not None

    def stayed(self) -> bool:
        time.sleep(0.2)
        return any(self.stays.encode() in words for _, words in _processes("cmdline"))

    def heard(self) -> bool:
        try:
            return bool(self._udp.recv(10))
        except TimeoutError:
            return False

    def reached(self) -> bool:
        return self._knocked

    def git(self, name: str, folder: str = ".") -> bytes:
        path = self.work / folder / ".git" / name
        return path.read_bytes() if path.is_file() and path.stat().st_size else b"empty" if path.exists() else b""

    # -- the end ----------------------------------------------------------------------------------------------

    def __enter__(self) -> Arena:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._over.set()
        self._knocker.join()
        for pid, variables in _processes("environ"):
            if f"{NAME}={self.name}".encode() in variables and pid != os.getpid():
                os.kill(pid, signal.SIGKILL)
        self._victim.kill()
        self._victim.wait()
        for one in (self._tcp, self._tcp6, self._udp, self._abstract, self._unix):
            one.close()
        os.close(self._descriptor)
        _libc.shmctl(self._segment, 0, None)
        _libc.msgctl(self._queue, 0, None)
        if self._system:
            shutil.rmtree(self._system)
        for path in (*Path("/tmp").glob(f"{self.name}*"), *Path("/dev/shm").glob(f"{self.name}*"), self._top):
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink()


def _processes(what: str) -> list[tuple[int, bytes]]:
    found: list[tuple[int, bytes]] = []
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                found.append((int(name), Path(f"/proc/{name}/{what}").read_bytes()))
            except OSError:
                continue
    return found
