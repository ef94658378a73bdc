"""One use of a box: a command or Python source, run under limits, watched, and ended with all that it started.

Limits come in two kinds. Some the kernel keeps for each process (address space, size of a file, open files, processor
time, and the number of tasks unless gemot was started by root). The totals (tasks, memory, processor time, disk) are
looked at every WATCH_MILLIS, and everything is ended when one is exceeded: what happens in between is the overshoot.

A use that the machine interrupts (a word on the connection while it runs) ends the same way: its answer holds what it has said so far.
"""

from __future__ import annotations

import os
import resource
import select
import time

from gemot.boxes.inner.counting import SCRATCH, Memory, processes
from gemot.boxes.inner.running import run_python
from gemot.boxes.inner.sealing import Kernel

SIGKILL, SIGPIPE, SIGXCPU, SIGXFSZ = 9, 13, 24, 25  # the module signal takes longer to import than all of this
WATCH_MILLIS = 20
READS_AT_ONCE = 16
LEFT_NAMED_MAX = 8
"""Processes that are named of those that a use has left running."""
SIGNALS_WAITING_MAX = 1_024
"""Signals that may wait for their process: the kernel counts them for a user, not for a box."""
TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")
PROCESSORS = os.cpu_count() or 1


class Limits:
    """The numbers of ``gemot.boxes.shape.Limits``, in its order."""

    def __init__(self, text: bytes) -> None:
        (
            self.memory_bytes,
            self.memory_total_bytes,
            self.tasks,
            self.file_bytes,
            self.descriptors,
            self.disk_bytes,
            self.disk_files,
        ) = map(int, text.split())

    def apply(self) -> None:
        """To this process and all that it will start. What is counted for each process apart is set in :class:`Use`."""
        for kind, value in (
            (resource.RLIMIT_AS, self.memory_bytes),
            (resource.RLIMIT_FSIZE, self.file_bytes),
            (resource.RLIMIT_NOFILE, self.descriptors),
            (resource.RLIMIT_NPROC, self.tasks + 1),  # and the worker
            (resource.RLIMIT_MSGQUEUE, 0),
            (resource.RLIMIT_MEMLOCK, 65_536),
            (resource.RLIMIT_SIGPENDING, SIGNALS_WAITING_MAX),
            (resource.RLIMIT_CORE, 1),  # 0 would still hand the dump to a program of the host, if it has one for dumps
        ):
            hard = resource.getrlimit(kind)[1]
            value = value if hard == resource.RLIM_INFINITY else min(value, hard)
            resource.setrlimit(kind, (value, value))


class Captured:
    """One stream of a call's output: its beginning, its end, and how much there was."""

    def __init__(self, descriptor: int, bytes_max: int) -> None:
        self.descriptor, self.total = descriptor, 0
        self._half = bytes_max // 2
        self._head, self._tail = bytearray(), bytearray()
        os.set_blocking(descriptor, False)

    def take(self) -> bool:
        """What there is now; False once there will be no more. Whoever never stops writing is not listened to for ever."""
        for _ in range(READS_AT_ONCE):
            try:
                data = os.read(self.descriptor, 65_536)
            except BlockingIOError:
                return True
            if not data:
                return False
            self.total += len(data)
            room = self._half - len(self._head)
            self._head += data[:room]
            self._tail += data[max(room, 0) :]
            if len(self._tail) > 2 * self._half:
                del self._tail[: -self._half]
            if len(data) < 65_536:
                break
        return True

    def kept(self) -> tuple[bytes, bytes]:
        return bytes(self._head), bytes(self._tail[-self._half :])


class Use:
    """One call: a command, or Python source that runs in a copy of this process."""

    def __init__(self, kernel: Kernel, control: int, limits: Limits, writable: list[bytes], call: list[bytes]) -> None:
        kind, self._what, self._folder, environment, numbers = call
        self._python = kind == b"python"
        self._kernel, self._control, self._limits, self._writable = kernel, control, limits, writable
        millis, self._cpu_seconds, self._output_bytes = map(int, numbers.split())
        names_and_values = (one.partition(b"=") for one in environment.split(b"\0") if one)
        self._pairs = {name: value for name, _, value in names_and_values}
        self._began = time.monotonic()
        self._deadline = self._began + millis / 1000
        self._looked, self._seen_running = self._began, 0.0
        self._cpu_before = resource.getrusage(resource.RUSAGE_CHILDREN)
        self._free_before = [os.statvfs(one) for one in writable]
        self._memory = Memory()

    def run(self) -> list[bytes]:
        out_end, out_start = os.pipe()
        error_end, error_start = os.pipe()
        self._out, self._error = Captured(out_end, self._output_bytes), Captured(error_end, self._output_bytes)
        try:
            os.chdir(self._folder)
            child = self._fork(out_start, error_start) if self._python else self._spawn(out_start, error_start)
        except OSError as failure:
            said = b"%s: %s\n" % (os.fsencode(failure.filename or "fork"), (failure.strerror or "").encode())
            return [b"ended", b"127 0 0 0 %d 0" % len(said), b"", b"", b"", b"", said, b""]
        finally:
            os.close(out_start)
            os.close(error_start)
            os.chdir("/")
        try:
            os.setpriority(os.PRIO_PROCESS, child, 5)  # the worker must come to its turn to see what is going on
            resource.prlimit(child, resource.RLIMIT_CPU, (self._cpu_seconds, self._cpu_seconds + 1))
        except (ProcessLookupError, ValueError, PermissionError):
            pass  # it has ended already, or there is a lower limit
        ended, status = self._follow(child)
        left = [] if ended else _left_running()
        try:  # noqa: SIM105 - contextlib would be one more import in a box that somebody waits for
            os.kill(-1, SIGKILL)  # all but this process
        except ProcessLookupError:
            pass
        while True:
            try:
                pid, other = os.waitpid(-1, 0)
            except ChildProcessError:
                break
            if pid == child and status is None:
                status = other
        for stream in (self._out, self._error):
            stream.take()
            os.close(stream.descriptor)
        usage = resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu = usage.ru_utime + usage.ru_stime - self._cpu_before.ru_utime - self._cpu_before.ru_stime
        code = os.waitstatus_to_exitcode(status or 0)
        if not ended and code == -SIGXCPU:
            ended = "cpu"
        if not ended and code == -SIGXFSZ:
            ended = "file"
        numbers = (
            code,
            int((time.monotonic() - self._began) * 1000),
            int(cpu * 1000),
            self._out.total,
            self._error.total,
            len(left),
        )
        words = [" ".join(map(str, numbers)).encode(), ended.encode(), b"\0".join(left[:LEFT_NAMED_MAX])]
        return [b"ended", *words, *self._out.kept(), *self._error.kept()]

    def _spawn(self, out: int, error: int) -> int:
        arguments = self._what.split(b"\0")
        return os.posix_spawnp(
            arguments[0],
            arguments,
            self._pairs,
            file_actions=[(os.POSIX_SPAWN_DUP2, out, 1), (os.POSIX_SPAWN_DUP2, error, 2)],
            setsid=True,
            setsigdef=(SIGPIPE, SIGXFSZ),  # which an interpreter ignores, and a program expects to be ended by
        )

    def _fork(self, out: int, error: int) -> int:
        child = os.fork()
        if child:
            return child
        try:
            os.dup2(out, 1)
            os.dup2(error, 2)
            os.closerange(3, 256)  # the connection to the machine above all
            os.setsid()
            self._kernel.unseal()
            os.environb.clear()
            os.environb.update(self._pairs)
            os._exit(run_python(self._what.decode()))
        finally:
            os._exit(127)

    # -- in the worker ----------------------------------------------------------------------------------------

    def _follow(self, child: int) -> tuple[str, int | None]:
        """Take its output until it ends or must be ended: why it must ("" if it did), and how it ended."""
        poll = select.poll()
        handle = os.pidfd_open(child)
        poll.register(handle, select.POLLIN)
        streams = {self._out.descriptor: self._out, self._error.descriptor: self._error}
        for one in (*streams, self._control):
            poll.register(one, select.POLLIN)
        next_look = self._began + WATCH_MILLIS / 1000
        try:
            while True:
                now = time.monotonic()
                if now >= next_look:
                    if why := self._exceeded(now):
                        return why, None
                    self._reap(child)
                    next_look = time.monotonic() + WATCH_MILLIS / 1000
                for descriptor, _ in poll.poll(max(1, (min(next_look, self._deadline) - now) * 1000)):
                    if descriptor == handle:
                        return self._exceeded(0), os.waitpid(child, 0)[1]
                    if descriptor == self._control:
                        return "interrupted", None
                    if not streams[descriptor].take():
                        poll.unregister(descriptor)
        finally:
            os.close(handle)

    def _reap(self, child: int) -> None:
        """Orphans that have ended; they count as processes until then."""
        while True:
            ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            if ended is None or ended.si_pid == child:
                return
            os.waitpid(ended.si_pid, 0)

    def _exceeded(self, now: float) -> str:
        """Which total is exceeded, if any. ``now`` 0: it has ended, only what it leaves behind matters."""
        for path in SCRATCH:
            disk = os.statvfs(path)
            if disk.f_files - disk.f_ffree > self._limits.disk_files:
                return "disk"
        for path, before in zip(self._writable, self._free_before, strict=True):
            disk = os.statvfs(path)
            if (before.f_bfree - disk.f_bfree) * disk.f_frsize > self._limits.disk_bytes:
                return "disk"
            if before.f_ffree - disk.f_ffree > self._limits.disk_files:
                return "disk"
        if not now:
            return ""
        if now >= self._deadline:
            return "time"
        tasks = running = ticks = 0
        there = processes()
        for one in there:
            try:
                with open(f"/proc/{one.pid}/stat", "rb", buffering=0) as file:
                    fields = file.read().rpartition(b")")[2].split()
            except OSError:
                continue  # ended meanwhile
            ticks += sum(map(int, fields[11:15]))  # its own, and of those it has waited for
            tasks += one.tasks
            running += fields[0] == b"R"
            if tasks > self._limits.tasks:
                return "tasks"
        if self._memory.exceeds(there, self._limits.memory_total_bytes):
            return "memory"
        self._seen_running += min(running, PROCESSORS) * (now - self._looked)
        self._looked = now
        ended = resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu = ended.ru_utime + ended.ru_stime - self._cpu_before.ru_utime - self._cpu_before.ru_stime
        # Whoever is deaf to its children's end has their time forgotten; but they are seen running.
        used = max(cpu + ticks / TICKS_A_SECOND, self._seen_running / 2)
        return "cpu" if used > self._cpu_seconds else ""


def _left_running() -> list[bytes]:
    """The names of the processes that are there although the use has ended."""
    names: list[bytes] = []
    for one in processes():
        if not one.ended:
            try:
                with open(f"/proc/{one.pid}/comm", "rb", buffering=0) as file:
                    names.append(file.read().rstrip(b"\n"))
            except OSError:
                continue  # ended meanwhile
    return names
