"""Attempts to take more than a box may: memory, processes, processor, disk. Limits are small, so that little is enough."""

from __future__ import annotations

from dataclasses import replace

from evals.escapes.attempt import ROOMY, SMALL, Group
from evals.escapes.inside import (
    call,
    contextlib,
    ctypes,
    fcntl,
    libc,
    mmap,
    os,
    signal,
    socket,
    subprocess,
    threading,
    time,
)

draining = Group("draining")
CROWDED = replace(ROOMY, tasks=200, memory_bytes=1 << 30, descriptors=1024)
"""Little memory for all together, and room for everything else."""


def written(arena):
    """Whether far more lies in the mount than its limit: 16 MiB, where 4 are allowed."""
    return sum(one.lstat().st_blocks * 512 for one in arena.work.iterdir()) > 12 << 20


def crowded(arena):
    return sum(1 for _ in arena.work.iterdir()) > 3_000


@draining.attempt("write one long file", limits=SMALL, check=written)
def long_file(a):
    with open(f"{a.work}/long", "wb", buffering=0) as file:
        for _ in range(64):
            file.write(bytes(1 << 18))


@draining.attempt("write many files of a fair length", limits=SMALL, check=written)
def many_bytes(a):
    for number in range(256):
        with open(f"{a.work}/part{number}", "wb") as file:
            file.write(bytes(1 << 18))
        time.sleep(0.002)


@draining.attempt("write many empty files", limits=SMALL, check=crowded)
def many_files(a):
    for number in range(60_000):
        open(f"{a.work}/n{number}", "wb").close()


@draining.attempt("write to a file that has no name any more", limits=SMALL)
def nameless(a):
    files = []
    for number in range(32):
        file = open(f"{a.work}/gone{number}", "w+b", buffering=0)  # noqa: SIM115 - it must stay open
        os.unlink(file.name)
        file.write(bytes(1 << 20))
        files.append(file)
        time.sleep(0.005)
    return True


@draining.attempt("fill /tmp", limits=SMALL)
def fill_scratch(a):
    for number in range(16):
        path = f"/tmp/{a.name}{number}"
        with open(path, "wb", buffering=0) as file:
            if file.write(bytes(1 << 20)) < 1 << 20:
                return False
    return True


@draining.attempt("fill /dev/shm", limits=SMALL)
def fill_shared(a):
    with open(f"/dev/shm/{a.name}", "wb", buffering=0) as file:
        return file.write(bytes(8 << 20)) == 8 << 20


@draining.attempt("fill the kernel's memory with empty files in /tmp", limits=SMALL)
def many_scratch_files(a):
    os.mkdir(f"/tmp/{a.name}-many")
    for number in range(60_000):
        open(f"/tmp/{a.name}-many/{number}", "wb").close()
    return True


@draining.attempt("take memory in one process", limits=ROOMY)
def memory(a):
    return len(bytearray(400 << 20)) > 0


@draining.attempt("take memory in many processes", limits=ROOMY)
def spread_memory(a):
    for _ in range(6):
        if not os.fork():
            held = bytearray(60 << 20)
            held[::4096] = b"1" * len(held[::4096])
            time.sleep(0.5)
            os._exit(0)
    return all(os.wait()[1] == 0 for _ in range(6))


@draining.attempt("take memory that no process shows (SysV)", limits=ROOMY)
def hidden_memory(a):
    number = call(29, 194, 0, 200 << 20, 0o1600)
    libc.shmat.restype = ctypes.c_void_p
    place = libc.shmat(number, None, 0)
    libc.shmdt(ctypes.c_void_p(place))
    call(31, 195, number, 0, None)
    return True


@draining.attempt("be many processes", limits=ROOMY)
def crowd(a):
    children = []
    for _ in range(80):
        child = os.fork()
        if not child:
            time.sleep(0.5)
            os._exit(0)
        children.append(child)
    return all(os.waitpid(child, 0)[1] == 0 for child in children)


@draining.attempt("be many threads", limits=ROOMY)
def threads(a):
    started = [threading.Thread(target=time.sleep, args=(0.5,)) for _ in range(80)]
    for one in started:
        one.start()
    for one in started:
        one.join()
    return True


@draining.attempt("multiply without end", limits=ROOMY, seconds=3)
def bomb(a):
    first, (counted, counter) = os.getpid(), os.pipe()
    for _ in range(7):
        with contextlib.suppress(OSError):
            os.fork()
    os.write(counter, b"1")
    time.sleep(1)
    if os.getpid() != first:
        os._exit(0)
    return len(os.read(counted, 1000)) > 100


@draining.attempt("use more processor time than allowed", limits=ROOMY)
def spin(a):
    ends = time.process_time() + 1.6
    while time.process_time() < ends:
        pass
    return True


@draining.attempt("use it in many short processes", limits=ROOMY)
def spin_often(a):
    while sum(os.times()[2:4]) < 1.6:
        subprocess.run(["sh", "-c", "i=0; while [ $i -lt 60000 ]; do i=$((i+1)); done"], check=True)
    return True


@draining.attempt("use it in children whose end nobody notes", limits=ROOMY, seconds=4)
def spin_unnoticed(a):
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    work = ["sh", "-c", "i=0; while [ $i -lt 4000 ]; do i=$((i+1)); done"]
    ends = time.monotonic() + 3.5
    while time.monotonic() < ends:
        for child in [os.posix_spawnp("sh", work, {}) for _ in range(2)]:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(child, 0)
    return True


@draining.attempt("say more than anybody can hold", check=lambda arena: arena.said > 10 << 20)
def flood(a):
    for _ in range(32):
        os.write(1, b"x" * (1 << 20))


@draining.attempt("take memory that processes share", limits=CROWDED)
def shared_memory(a):
    held = mmap.mmap(-1, 400 << 20)
    for at in range(0, len(held), 4096):
        held[at] = 1
    time.sleep(1)
    return len(held) == 400 << 20


@draining.attempt("take it through children that have ended", limits=CROWDED)
def inherited_memory(a):
    held = mmap.mmap(-1, 400 << 20)
    for part in range(40):
        child = os.fork()
        if not child:
            for at in range(part * (10 << 20), (part + 1) * (10 << 20), 4096):
                held[at] = 1
            os._exit(0)
        os.waitpid(child, 0)
    time.sleep(1)
    return len(held) == 400 << 20


@draining.attempt("take it and forget where it is", limits=CROWDED)
def forgotten_memory(a):
    held = []
    for _ in range(40):
        more = mmap.mmap(-1, 10 << 20)
        for at in range(0, 10 << 20, 4096):
            more[at] = 1
        more.resize(4096)
        held.append(more)
        time.sleep(0.01)
    return len(held) == 40


@draining.attempt("take memory in pipes", limits=CROWDED, seconds=10)
def pipes(a):
    held = []
    for _ in range(10):
        ready, tell = os.pipe()
        if not os.fork():
            for _ in range(400):
                reader, writer = os.pipe()
                os.set_blocking(writer, False)
                with contextlib.suppress(BlockingIOError):
                    while True:
                        os.write(writer, bytes(4096))
                held.append((reader, writer))
            os.write(tell, b"1")
            time.sleep(3)
            os._exit(0)
        os.read(ready, 1)
    time.sleep(1)
    return True


@draining.attempt("take memory in sockets", limits=CROWDED, seconds=10)
def sockets(a):
    held = []
    for _ in range(2):
        ready, tell = os.pipe()
        if not os.fork():
            for _ in range(400):
                pair = socket.socketpair()
                for one in pair:
                    one.setblocking(False)
                    with contextlib.suppress(BlockingIOError):
                        while True:
                            one.send(bytes(65_536))
                held.append(pair)
            os.write(tell, b"1")
            time.sleep(3)
            os._exit(0)
        os.read(ready, 1)
    time.sleep(1)
    return True


@draining.attempt("take memory in tables of pages", limits=CROWDED, seconds=10)
def page_tables(a):
    for _ in range(100):
        ready, tell = os.pipe()
        if not os.fork():
            held = mmap.mmap(-1, 900 << 20, flags=mmap.MAP_PRIVATE)
            for at in range(0, len(held), 2 << 20):
                held[at]
            os.write(tell, b"1")
            time.sleep(5)
            os._exit(0)
        os.read(ready, 1)
    time.sleep(1)
    return True


@draining.attempt("take the user's watches of files (inotify)")
def watches(a):
    held = [call(294, 26, 0) for _ in range(8)]
    return len(held) == 8


@draining.attempt("take the computer's queues of transfers (io_setup)")
def transfers(a):
    context = ctypes.c_ulong(0)
    call(206, 0, 8, ctypes.byref(context))
    call(207, 1, context.value)
    return True


@draining.attempt("let everybody wait who opens a file of the mount (lease)")
def lease(a):
    with open(f"{a.work}/leased", "w"):
        pass
    with open(f"{a.work}/leased", "rb") as file:
        fcntl.fcntl(file, 1024, fcntl.F_RDLCK)
        fcntl.fcntl(file, 1024, fcntl.F_UNLCK)
    return True


@draining.attempt("make a pipe larger than is counted")
def large_pipe(a):
    _, writer = os.pipe()
    return fcntl.fcntl(writer, 1031, 1 << 20) >= 1 << 20
