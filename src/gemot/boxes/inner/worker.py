"""The first process of a box: takes one call at a time, runs it under limits, says how it ended.

Being process 1 of its own world it can't be killed or stopped from inside, inherits every orphan, and ends all others
with one signal when a call is over. It is not dumpable, so no other process in the box can read or write its memory or
take its connection to the machine.
"""

from __future__ import annotations

import os

from gemot.boxes.framing import packed, unpacked
from gemot.boxes.inner.counting import SCRATCH
from gemot.boxes.inner.running import start_relay
from gemot.boxes.inner.sealing import Kernel
from gemot.boxes.inner.use import Limits, Use

signals = __import__("_signal")  # the module signal takes 2 ms to load, and typeshed has no word of this one


def main() -> None:
    signals.signal(
        signals.SIGINT, signals.SIG_DFL
    )  # Python's own handler would make it the one signal that ends a first process from inside
    control = os.dup(0)  # close-on-exec, unlike the original
    null = os.open("/dev/null", os.O_RDWR)
    for number in (0, 1):
        os.dup2(null, number)
    kernel = Kernel()
    kernel.seal()
    settings = receive(control)
    if settings is None:
        return
    limits = Limits(settings[1])
    limits.apply()
    targets = [one for one in settings[2].split(b"\0") if one]
    writable = [one for one in settings[3].split(b"\0") if one]
    walls = kernel.landlock([*SCRATCH, "/dev", *(os.fsdecode(one) for one in writable)])
    kernel.seal()
    if settings[4]:
        start_relay(settings[4].decode())
        kernel.filter(settings[5])
    seen = [os.stat(one) for one in targets]
    os.dup2(null, 2)  # until now the machine could read there what went wrong
    # The folders on the way to what is read-only are mounts of their own, on the same disk: its space is looked at once.
    writable = list({os.stat(one).st_dev: one for one in reversed(writable)}.values())
    send(control, b"ready", b" ".join(b"%d:%d" % (one.st_dev, one.st_ino) for one in seen), walls)
    warm_up()
    while (call := receive(control)) is not None:
        if call == [b"interrupt"]:
            continue  # the use had ended by itself
        send(control, *Use(kernel, control, limits, writable, call).run())


def warm_up() -> None:
    """Do once, while nobody waits, what every copy of this process would do for the first time."""
    import atexit

    atexit.register(os.getpid)
    os.environb.clear()
    exec(compile("pass", "<code>", "exec"), {})
    with open(os.devnull, "w", encoding="utf-8", errors="backslashreplace"):
        pass


def receive(control: int) -> list[bytes] | None:
    """The byte strings of the next frame; None when the machine has gone."""
    head = exactly(control, 4)
    body = None if head is None else exactly(control, int.from_bytes(head, "big"))
    return None if body is None else unpacked(body)


def exactly(control: int, count: int) -> bytes | None:
    data = b""
    while len(data) < count:
        more = os.read(control, count - len(data))
        if not more:
            return None
        data += more
    return data


def send(control: int, *fields: bytes) -> None:
    data = memoryview(packed(*fields))
    while data:
        data = data[os.write(control, data) :]
