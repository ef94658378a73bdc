"""The limit on memory holds however memory is held: 96 MiB are allowed, and each program here tries to hold 400."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from test_boxes import SMALL, WHY_NOT

from gemot.boxes import Call, Key, Limits, once

pytestmark = pytest.mark.skipif(bool(WHY_NOT), reason=f"NOTHING ABOUT WALLS IS TESTED HERE: {WHY_NOT}")

ROOMY = replace(
    SMALL,
    memory_bytes=1 << 30,
    tasks=200,
    file_bytes=1 << 30,
    descriptors=1024,
    disk_files=100_000,
    scratch_bytes=1 << 30,
    shared_bytes=1 << 30,
)
"""Only the memory of all together is small."""

HELD = {
    "private": "held = bytearray(400 * MIB)\nfor at in range(0, len(held), 4096): held[at] = 1",
    "private, in many processes": """
for _ in range(8):
    if not os.fork():
        held = bytearray(50 * MIB)
        for at in range(0, len(held), 4096): held[at] = 1
        time.sleep(30)
        os._exit(0)
""",
    "shared without a name": "held = mmap.mmap(-1, 400 * MIB)\nfor at in range(0, 400 * MIB, 4096): held[at] = 1",
    "shared, touched by processes that have ended": """
held = mmap.mmap(-1, 400 * MIB)
for part in range(40):
    if not os.fork():
        for at in range(part * 10 * MIB, (part + 1) * 10 * MIB, 4096): held[at] = 1
        os._exit(0)
    os.wait()
""",
    "shared, and no longer in a table of pages": """
held = mmap.mmap(-1, 400 * MIB)
for part in range(40):
    for at in range(part * 10 * MIB, (part + 1) * 10 * MIB, 4096): held[at] = 1
    held.madvise(mmap.MADV_DONTNEED)
""",
    "shared, unmapped but for one page": """
held = []
for part in range(40):
    more = mmap.mmap(-1, 10 * MIB)
    for at in range(0, 10 * MIB, 4096): more[at] = 1
    more.resize(4096)
    held.append(more)
""",
    "/dev/zero, shared": """
with open("/dev/zero", "r+b", buffering=0) as file:
    held = mmap.mmap(file.fileno(), 400 * MIB)
for at in range(0, 400 * MIB, 4096): held[at] = 1
""",
    "memfd": """
number = os.memfd_create("held")
for _ in range(400): os.write(number, bytes(MIB))
""",
    "memory of System V": """
libc = ctypes.CDLL(None, use_errno=True)
libc.shmat.restype = ctypes.c_void_p
number = libc.shmget(0, 400 * MIB, 0o1600)
if number < 0: raise OSError(ctypes.get_errno(), "refused")
place = libc.shmat(number, None, 0)
ctypes.memset(place, 1, 400 * MIB)
""",
    "/tmp": "with open('/tmp/held', 'wb') as file:\n    for _ in range(400): file.write(bytes(MIB))",
    "/dev/shm": "with open('/dev/shm/held', 'wb') as file:\n    for _ in range(400): file.write(bytes(MIB))",
    "files of /tmp without a name": """
held = []
for _ in range(100):
    file = open("/tmp/held", "w+b", buffering=0)
    os.unlink(file.name)
    file.write(bytes(4 * MIB))
    held.append(file)
""",
    "pipes": """
for _ in range(14):
    if not os.fork():
        held = []
        for _ in range(500):
            reader, writer = os.pipe()
            os.set_blocking(writer, False)
            with contextlib.suppress(BlockingIOError):
                while True: os.write(writer, bytes(65_536))
            held.append((reader, writer))
        time.sleep(30)
        os._exit(0)
""",
    "large pipes": """
held = []
for _ in range(400):
    reader, writer = os.pipe()
    fcntl.fcntl(writer, 1031, MIB)
    os.write(writer, bytes(MIB))
    held.append((reader, writer))
""",
    "unix sockets": """
for _ in range(8):
    if not os.fork():
        held = []
        for _ in range(500):
            pair = socket.socketpair()
            for one in pair:
                one.setblocking(False)
                with contextlib.suppress(BlockingIOError):
                    while True: one.send(bytes(65_536))
            held.append(pair)
        time.sleep(30)
        os._exit(0)
""",
    "TCP": """
server = socket.create_server(("127.0.0.1", 0), backlog=400)
held = []
for _ in range(200):
    near = socket.create_connection(server.getsockname())
    far, _ = server.accept()
    near.setblocking(False)
    with contextlib.suppress(BlockingIOError):
        while True: near.send(bytes(MIB))
    held.append((near, far))
""",
    "tables of pages": """
for _ in range(150):
    if not os.fork():
        held = mmap.mmap(-1, 900 * MIB, flags=mmap.MAP_PRIVATE)
        for at in range(0, 900 * MIB, 2 * MIB): held[at]
        time.sleep(30)
        os._exit(0)
""",
}
BEGIN = "import contextlib, ctypes, fcntl, mmap, os, socket, time\nMIB = 1 << 20\n"
END = "\ntime.sleep(30)\n"


def held(source: str, limits: Limits) -> tuple[str, str]:
    """How a program ended that wants to hold memory: the limit that stopped it, or its error."""
    call = Call(python=BEGIN + source + END, seconds=20, cpu_seconds=60)
    ended = asyncio.run(once(Key("memory", (), (), limits), call))
    return ended.stopped, ended.error.text()


@pytest.mark.parametrize("way", HELD)
def test_memory_is_counted_however_it_is_held(way: str) -> None:
    stopped, error = held(HELD[way], ROOMY)
    refused = any(word in error for word in ("not implemented", "not permitted", "MemoryError", "refused"))
    assert stopped == "memory" or (stopped == "" and refused), (stopped, error[-300:])


def test_memory_that_processes_share_is_counted_once() -> None:
    source = """
held = bytearray(40 * MIB)
for at in range(0, len(held), 4096): held[at] = 1
for _ in range(5):
    if not os.fork():
        assert sum(held[::4096]) > 0
        time.sleep(0.2)
        os._exit(0)
for _ in range(5): os.wait()
os._exit(0)
"""
    assert held(source, ROOMY) == ("", "")


def test_many_open_pipes_and_sockets_are_no_more_than_they_hold() -> None:
    source = "held = [(os.pipe(), socket.socketpair()) for _ in range(60)]\ntime.sleep(0.2)\nos._exit(0)"
    assert held(source, ROOMY) == ("", "")


@pytest.mark.parametrize("call", ["inotify_init", "inotify_init1"])
def test_watches_of_files_are_not_to_be_had(call: str) -> None:
    """The kernel gives a person 128 of them, for all that they run."""
    source = f"""
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
print(libc.{call}(0), ctypes.get_errno())
"""
    ended = asyncio.run(once(Key("watches"), Call(python=source)))
    assert ended.out.text() == "-1 38\n"
