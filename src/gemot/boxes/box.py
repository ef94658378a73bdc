"""One box: bubblewrap around a worker, built for one key, that runs one call at a time until it is closed."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
from collections.abc import Generator
from contextlib import ExitStack, contextmanager, suppress
from io import FileIO

from gemot.boxes import bubblewrap, building, filters
from gemot.boxes.framing import BadFrame, packed, unpacked
from gemot.boxes.guarding import Guard
from gemot.boxes.shape import BoxFailed, BoxLost, Call, Ended, Key, Limits, Stream

START_SECONDS = 20.0
GRACE_SECONDS = 5.0
"""How much longer than its deadline a call may take before the box itself is ended."""
INTERRUPT_SECONDS = 0.8
"""How long an interrupted call may take to say what it has so far; whoever closes a machine waits little longer."""
PIPE_BYTES = 65_536
"""What a pipe holds before anybody reads from it."""


class Box:
    """Made with :meth:`open`. It has no way to change the key that it was made for; :class:`gemot.boxes.Boxes` keeps them."""

    def __init__(self, key: Key, process: subprocess.Popen[bytes], control: socket.socket, first: int) -> None:
        self.key, self.landlock = key, 0
        self._process, self._control, self._first = process, control, first
        self._busy = False
        self._guards: dict[str, Guard] = {}

    @classmethod
    async def open(cls, key: Key) -> Box:
        """Build a box and wait until its worker answers. Raises :class:`BoxFailed`.

        The thread that runs this must live as long as the box: it ends with it.
        """
        for bind in key.binds:
            if not os.path.isdir(bind.source):
                raise BoxFailed(f"there is no folder {bind.source} to be seen at {bind.target}")
        near, far = socket.socketpair()
        try:
            with ExitStack() as held:
                facts, far_facts = held.enter_context(_pipe())
                rules = held.enter_context(_read_end(filters.program(bool(key.proxy))))
                own = {held.enter_context(_read_end(data)): path for path, data in building.files().items()}
                await asyncio.to_thread(building.private, os.geteuid())  # which looks around once
                if any(bind.writable for bind in key.binds):  # then it looks around on the disk
                    seen, guards = await asyncio.to_thread(building.view, key)
                else:
                    seen, guards = building.view(key)
                arguments = building.arguments(key, seen, own)
                words = held.enter_context(_file_of(b"".join(os.fsencode(one) + b"\0" for one in arguments)))
                told = ("--args", str(words), "--seccomp", str(rules), "--info-fd", str(far_facts.fileno()), "--")
                process = subprocess.Popen(  # noqa: ASYNC220 - a millisecond; its answer is awaited
                    [bubblewrap.found(), *told, *building.command()],
                    env={},
                    cwd="/",
                    process_group=0,  # a terminal's Ctrl-C is for gemot, which ends the box when its time has come
                    stdin=far.fileno(),
                    stdout=far.fileno(),
                    stderr=subprocess.PIPE,
                    pass_fds=(words, rules, far_facts.fileno(), *own),
                )
                far_facts.close()
                box = cls(key, process, near, -1)
                box._guards = guards
                try:
                    async with asyncio.timeout(START_SECONDS):
                        await box._begin(seen, facts, far)
                except BaseException as error:
                    await box.close()
                    if isinstance(error, TimeoutError):
                        raise BoxFailed(f"the box was not there after {START_SECONDS:g} s") from None
                    raise
        except filters.UnknownProcessor as error:
            near.close()
            raise BoxFailed(str(error)) from None
        except OSError as error:
            near.close()
            raise BoxFailed(f"a box could not be built: {error}") from None
        finally:
            far.close()
        return box

    async def _begin(self, seen: list[building.Seen], facts: FileIO, far: socket.socket) -> None:
        far.close()
        self._control.setblocking(False)
        key = self.key
        await self._send(
            b"begin",
            _words(key.limits),
            b"\0".join(os.fsencode(one.target) for one in seen),
            b"\0".join(os.fsencode(one.target) for one in seen if one.writable),
            building.PROXY_AT.encode() if key.proxy else b"",
            filters.program(False) if key.proxy else b"",
        )
        try:
            answer = await self._receive(100_000)
        except (BadFrame, OSError):
            raise BoxFailed(f"a box could not be built: {self._complaint()}") from None
        if len(answer) != 3 or answer[0] != b"ready":
            raise BoxFailed("the worker of a box gave a strange answer")
        self._first = os.pidfd_open(json.loads(facts.read(4096))["child-pid"])
        self.landlock = int(answer[2] or b"0")
        for wanted, found in zip(seen, answer[1].split(), strict=True):
            if wanted.identity is not None and b"%d:%d" % wanted.identity != found:
                raise BoxFailed(f"{wanted.source} was exchanged while the box was built; nothing was run in it")

    def _complaint(self) -> str:
        """What bubblewrap said before it gave up."""
        stream = self._process.stderr
        assert stream is not None
        self._process.kill()
        said = stream.read(2000).decode(errors="replace").strip().removeprefix("bwrap: ")
        return f"{said or 'bubblewrap said nothing'} (gemot doctor says what would help)"

    # -- calls ------------------------------------------------------------------------------------------------

    async def run(self, call: Call) -> Ended:
        """Run one call to its end. Cancelling it ends the box and everything in it; an interruptible call is answered first.

        Raises :class:`BoxFailed` if the call can't begin, :class:`BoxLost` if the box goes away.
        """
        if self._busy or self.closed:
            raise BoxFailed("this box is busy, or closed")
        self._busy = True
        whole = False
        environment = building.environment(self.key) | dict(call.environment)
        try:
            await self._send(
                b"python" if call.python else b"command",
                call.python.encode() if call.python else b"\0".join(os.fsencode(one) for one in call.command),
                os.fsencode(call.folder),
                b"\0".join(os.fsencode(f"{name}={value}") for name, value in environment.items()),
                b"%d %d %d" % (call.seconds * 1000, call.cpu_seconds, call.output_bytes),
            )
            ended = _ended(await self._answer(call))
            whole = True
        except (BadFrame, OSError, ValueError, TimeoutError) as error:
            raise BoxLost(f"the box went away during the call ({type(error).__name__}); what it did is done") from None
        finally:
            self._busy = False
            if not whole:
                await self.close()
        return ended

    async def _answer(self, call: Call) -> list[bytes]:
        """What the worker says of a call, also of one that was interrupted. Raises ``TimeoutError`` when it says nothing."""
        answer = asyncio.ensure_future(self._receive(2 * call.output_bytes + 10_000))
        try:
            try:
                await asyncio.wait((answer,), timeout=call.seconds + GRACE_SECONDS)
            except asyncio.CancelledError:
                if not call.interruptible:
                    raise
                task = asyncio.current_task()
                assert task is not None
                task.uncancel()  # it is answered, so whoever waits for the call goes on
                await self._send(b"interrupt")
                await asyncio.wait((answer,), timeout=INTERRUPT_SECONDS)
            if not answer.done():
                raise TimeoutError
            return answer.result()
        finally:
            answer.cancel()

    async def sweep(self) -> tuple[str, ...]:
        """Move aside what the calls have made that runs code later; its paths as seen in the box. Nothing may run in it.

        Raises :class:`BoxFailed` where that can't be found out.
        """

        def work() -> tuple[str, ...]:
            return tuple(f"{target}/{path}" for target, guard in self._guards.items() for path in guard.sweep())

        if not self._guards:
            return ()
        sweeping = asyncio.ensure_future(asyncio.to_thread(work))
        while not sweeping.done():  # cancelled or not: what lies there must not stay
            with suppress(asyncio.CancelledError, OSError):
                await asyncio.shield(sweeping)
        try:
            return sweeping.result()
        except OSError as error:
            raise BoxLost(f"what the command left could not be searched for what runs code later: {error}") from None

    @property
    def closed(self) -> bool:
        return self._control.fileno() < 0

    async def close(self) -> None:
        """End everything in the box; returns when all of it is gone."""
        self.kill()
        if self._first >= 0:
            loop, gone = asyncio.get_running_loop(), asyncio.Event()
            loop.add_reader(self._first, gone.set)
            try:
                await asyncio.shield(asyncio.wait_for(gone.wait(), START_SECONDS))
            finally:
                loop.remove_reader(self._first)
                os.close(self._first)
                self._first = -1
        self._process.wait(START_SECONDS)
        if self._process.stderr is not None:
            self._process.stderr.close()

    def kill(self) -> None:
        """End everything in the box, now. Its first process ends with a signal that it can't refuse, and all others with it."""
        if self._first >= 0:
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._first, signal.SIGKILL)
        else:
            self._process.kill()
        self._control.close()

    async def _send(self, *fields: bytes) -> None:
        await asyncio.get_running_loop().sock_sendall(self._control, packed(*fields))

    async def _receive(self, bytes_max: int) -> list[bytes]:
        size = int.from_bytes(await self._exactly(4), "big")
        if size > bytes_max:
            raise BadFrame(f"a frame of {size} bytes from the box is longer than the {bytes_max} that were asked for")
        return unpacked(await self._exactly(size))

    async def _exactly(self, count: int) -> bytes:
        loop, data = asyncio.get_running_loop(), bytearray()
        while len(data) < count:
            more = await loop.sock_recv(self._control, count - len(data))
            if not more:
                raise BadFrame("the box said no more")
            data += more
        return bytes(data)


def _ended(answer: list[bytes]) -> Ended:
    kind, numbers, stopped, left, *streams = answer
    if kind != b"ended" or len(streams) != 4:
        raise BadFrame("the worker of a box gave a strange answer")
    code, millis, cpu_millis, out, error, left_count = map(int, numbers.split())
    return Ended(
        code,
        stopped.decode(),
        millis,
        cpu_millis,
        Stream(streams[0], streams[1], out),
        Stream(streams[2], streams[3], error),
        left_count,
        tuple(name.decode(errors="backslashreplace") for name in left.split(b"\0") if name),
    )


def _words(limits: Limits) -> bytes:
    return (
        f"{limits.memory_bytes} {limits.memory_total_bytes} {limits.tasks} {limits.file_bytes} "
        f"{limits.descriptors} {limits.disk_bytes} {limits.disk_files}"
    ).encode()


@contextmanager
def _read_end(data: bytes) -> Generator[int, None, None]:
    """A descriptor from which ``data`` can be read once."""
    if len(data) > PIPE_BYTES:
        with FileIO(os.memfd_create("box"), "r+") as held:
            held.write(data)
            held.seek(0)
            yield held.fileno()
        return
    with _pipe() as (read, write):
        write.write(data)
        write.close()
        yield read.fileno()


@contextmanager
def _file_of(data: bytes) -> Generator[int, None, None]:
    """The same for any amount: there may be many mounts."""
    number = os.memfd_create("arguments")
    with FileIO(number, "r+") as file:
        rest = memoryview(data)
        while rest:
            rest = rest[file.write(rest) or 0 :]
        file.seek(0)
        yield number


@contextmanager
def _pipe() -> Generator[tuple[FileIO, FileIO], None, None]:
    read, write = os.pipe()
    with FileIO(read) as reader, FileIO(write, "w") as writer:
        yield reader, writer
