"""The memory of a box, however it is held: by processes, between them, on scratch disks, in pipes and sockets.

Two sums. The first is quick and too high: what each process shows in ``/proc/PID/status``, with memory that several share counted
for each of them, and with a full pipe behind every open file. While it is within the limit nothing more is looked at. Above it
the second one counts each page, pipe and socket once. What can't be told apart is counted at its most.

Shared memory without a name stays although nobody has it in their page tables: its pages were touched by a process that has
ended, or were unmapped but for one. Only the computer's own sum (``Shmem``) shows those. So, as with disks, the box is charged
with the growth of that sum where it holds such memory at all.
"""

from __future__ import annotations

import os

PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
SCRATCH = ("/tmp", "/dev/shm")
INODE_BYTES = 1024
"""Memory that an empty file on a scratch disk takes, or nearly."""
THREAD_BYTES = 32_768
"""Memory of the kernel for one thread: its stack, its description."""
PIPE_BYTES = 16 * PAGE_BYTES
"""The most that a pipe holds: the filter of system calls lets nobody make one larger."""
SOCKET_BYTES = 2 * 212_992
"""The most that a socket keeps on its way, with the usual settings of the kernel."""
LOOKS = 3
"""How often in a row too much must be there."""
_SHARED = (b"/dev/zero (deleted)", b"/memfd:", b"/SYSV")
"""The names that the kernel gives to shared memory without a file."""


class Process:
    """One process of the box as ``/proc/PID/status`` shows it."""

    def __init__(self, pid: str, status: bytes) -> None:
        self.pid = pid
        self.anonymous = self.shared = self.tables = self.tasks = self.table_size = 0
        self.ended = False
        for line in status.split(b"\n"):
            name, _, value = line.partition(b":")
            if name in (b"RssAnon", b"VmSwap"):
                self.anonymous += _bytes(value)
            elif name == b"RssShmem":
                self.shared = _bytes(value)
            elif name == b"VmPTE":
                self.tables = _bytes(value)
            elif name == b"Threads":
                self.tasks = int(value)
            elif name == b"FDSize":
                self.table_size = int(value)
            elif name == b"State":
                self.ended = value.strip()[:1] in (b"Z", b"X")

    @property
    def kernel_bytes(self) -> int:
        return self.tables + self.tasks * THREAD_BYTES

    def open_files(self) -> int:
        """How many it has open; where an older kernel does not say, how many it has had open at once, or nearly."""
        try:
            return os.stat(f"/proc/{self.pid}/fd").st_size or self.table_size
        except OSError:
            return 0


class Memory:
    """What the box holds in all. Made at the beginning of a use, because only the growth of the computer's sum counts."""

    def __init__(self) -> None:
        self._looks = 0
        self._shared_before, self._scratch_before = _shared_of_all(), _scratch()[0]

    def exceeds(self, there: list[Process], bytes_max: int) -> bool:
        """Whether the box holds more. ``there``: its processes, as they were a moment ago.

        Processes begin and end while they are looked at, and what two share counts for each of them as long as one of them is
        only beginning. Where that may be why it is too much, it must be so in several looks.
        """
        surely, probably = self._exceeds(there, bytes_max)
        self._looks = self._looks + 1 if probably else 0
        return surely or self._looks >= LOOKS

    def _exceeds(self, there: list[Process], bytes_max: int) -> tuple[bool, bool]:
        """Whether it surely holds more, and whether it does unless somebody began or ended just then."""
        scratch, files = _scratch()
        fixed = scratch + files * INODE_BYTES + _sockets() + sum(one.kernel_bytes for one in there)
        grown = _shared_of_all() - self._shared_before - (scratch - self._scratch_before)
        quick = fixed + sum(one.anonymous + one.shared for one in there)
        quick += PIPE_BYTES * sum(one.open_files() for one in there)
        if max(quick, fixed + grown) <= bytes_max:
            return False, False
        pipes: set[str] = set()
        for one in there:
            if fixed + PIPE_BYTES * len(pipes) > bytes_max:
                return True, True
            pipes |= _pipes(one)
        fixed += PIPE_BYTES * len(pipes)
        shared, nameless, anonymous = 0, False, 0
        known = {one.pid for one in there}
        came = [one for one in processes() if one.pid not in known]
        for one in (*there, *came):
            own, common, holds = _counted_once(one)
            anonymous, shared, nameless = anonymous + own, shared + common, nameless or holds
        shared = max(0, shared - scratch, grown if nameless else 0)
        steady = not came and {one.pid for one in processes()} == known
        largest = max((one.anonymous for one in there), default=0)
        exceeds = fixed + anonymous + shared > bytes_max
        return fixed + largest > bytes_max or (exceeds and steady), exceeds


def processes() -> list[Process]:
    """All of the box but its first one."""
    found: list[Process] = []
    for pid in os.listdir("/proc"):
        if pid.isdigit() and pid != "1":
            try:
                found.append(Process(pid, _read(f"/proc/{pid}/status")))
            except (OSError, ValueError):
                continue  # ended meanwhile
    return found


def _counted_once(one: Process) -> tuple[int, int, bool]:
    """Its part of memory that is private, its part of memory that is shared, and whether it holds some without a name."""
    own = common = 0
    told = False
    try:
        for line in _read(f"/proc/{one.pid}/smaps_rollup").split(b"\n"):
            name, _, value = line.partition(b":")
            if name in (b"Pss_Anon", b"SwapPss"):
                own += _bytes(value)
                told = told or name == b"Pss_Anon"  # which older kernels do not say
            elif name == b"Pss_Shmem":
                common += _bytes(value)
        maps = _read(f"/proc/{one.pid}/maps")
    except (
        OSError
    ):  # it keeps others from looking; or it has ended, and others were told to have less while it was there
        return one.anonymous, one.shared, True
    if not told:
        return one.anonymous, one.shared, True
    return own, common, any(name in maps for name in _SHARED)


def _pipes(one: Process) -> set[str]:
    try:
        names = os.listdir(f"/proc/{one.pid}/fd")
    except FileNotFoundError:
        return set()
    except OSError:
        return {f"{one.pid} {number}" for number in range(one.open_files())}
    found: set[str] = set()
    for name in names:
        try:
            what = os.readlink(f"/proc/{one.pid}/fd/{name}")
        except OSError:
            continue
        if what.startswith("pipe:"):
            found.add(what)
    return found


def _sockets() -> int:
    """What lies in sockets, at most: there is a count of all of them, and for TCP, whose buffers grow, what is in each."""
    held = 0
    for line in _read("/proc/net/sockstat").split(b"\n"):
        words = line.split()
        if words[:2] == [b"sockets:", b"used"]:
            held += int(words[2]) * SOCKET_BYTES
        elif words[:2] == [b"TCP:", b"inuse"] and len(words) > 8 and words[8] != b"0":
            for table in ("tcp", "tcp6"):
                try:
                    rows = _read(f"/proc/net/{table}").split(b"\n")[1:]
                except OSError:
                    continue
                queues = [fields[4].split(b":") for row in rows if len(fields := row.split()) > 4]
                held += 2 * sum(int(queue, 16) for pair in queues for queue in pair)
    return held


def _scratch() -> tuple[int, int]:
    """Bytes and files on the scratch disks."""
    held = files = 0
    for path in SCRATCH:
        disk = os.statvfs(path)
        held += (disk.f_blocks - disk.f_bfree) * disk.f_frsize
        files += disk.f_files - disk.f_ffree
    return held, files


def _shared_of_all() -> int:
    """Shared memory and disks in memory of the whole computer."""
    for line in _read("/proc/meminfo").split(b"\n"):
        if line.startswith(b"Shmem:"):
            return _bytes(line[6:])
    return 0


def _bytes(value: bytes) -> int:
    return int(value.split()[0]) * 1024


def _read(path: str) -> bytes:
    with open(path, "rb", buffering=0) as file:
        return file.read()
