"""The system-call filter of a box, as the bytes of a classic BPF program (``seccomp(2)``, SECCOMP_MODE_FILTER).

A namespace hides things; the filter takes away the calls that could reach around it, or into kernel code that ordinary
work never needs. It names what is refused and refuses every call newer than its table; what remains is allowed. A list
of what is allowed would be stricter on paper, but one that runs compilers, test suites and shells has some 300 entries
on it, and nobody reads it. This one can be read.

The program is written by hand: about a hundred instructions of eight bytes, tested in ``tests/units/test_boxes.py``
by the calls themselves. A library for it would need a C library that not every computer has.

What we don't like: a pointer's target can't be looked at, so ``clone3`` and ``openat2``, which take a structure, are
"not implemented" as a whole (programs then use ``clone`` and ``openat``), and a socket's address can't be judged: hence
no unix sockets at all, except for the box's own way to the proxy.
"""

from __future__ import annotations

import errno
import platform
import struct
from typing import NamedTuple

from gemot.boxes.numbers import AUDIT_ARCH, NEWEST, NUMBERS, X32_BIT

REFUSED = (
    "mount", "umount2", "pivot_root", "chroot", "open_tree", "move_mount", "fsopen", "fsconfig", "fsmount", "fspick", "mount_setattr",
    "unshare", "setns",
    "ptrace", "process_vm_readv", "process_vm_writev", "process_madvise", "kcmp", "pidfd_getfd",
    "add_key", "request_key", "keyctl",
    "bpf", "perf_event_open", "userfaultfd", "lookup_dcookie",
    "init_module", "finit_module", "delete_module", "create_module", "kexec_load", "kexec_file_load", "reboot",
    "swapon", "swapoff", "acct", "quotactl", "quotactl_fd", "nfsservctl", "syslog", "vhangup", "uselib", "ustat", "sysfs", "_sysctl",
    "sethostname", "setdomainname", "settimeofday", "clock_settime", "clock_adjtime", "adjtimex",
    "iopl", "ioperm", "modify_ldt", "remap_file_pages",
    "name_to_handle_at", "open_by_handle_at", "fanotify_init", "fanotify_mark",
    "mbind", "set_mempolicy", "set_mempolicy_home_node", "migrate_pages", "move_pages",
)  # fmt: skip
"""Refused with EPERM: other views of the disk, other processes, keys, the kernel's own machinery, the computer's clock."""
ABSENT = (
    "io_uring_setup", "io_uring_enter", "io_uring_register", "clone3", "openat2",
    "shmget", "shmat", "msgget", "semget", "mq_open", "memfd_create", "memfd_secret", "vmsplice",
    "inotify_init", "inotify_init1", "io_setup",
)  # fmt: skip
"""Answered with ENOSYS, on which programs fall back: a second way to make every call, calls that take their arguments in
a structure, memory that no process seems to own (so that a limit on processes would not count it), and what the kernel gives
to a user or to the whole computer in small numbers: watches of files, queues of transfers. Who would watch files, looks again."""

NAMESPACES = 0x7E020080
"""CLONE_NEW*: time, mount, cgroup, uts, ipc, user, pid, net."""
SET_ID = 0o6000
"""Set-user-id and set-group-id: a file marked so in a shared folder would run as its owner, outside."""
O_CREAT_TMPFILE = 0o20000100
AF_UNIX, AF_INET, AF_INET6 = 1, 2, 10
TERMINAL_TRICKS = (0x5412, 0x541C, 0x541D, 0x5423)
"""TIOCSTI, TIOCLINUX, TIOCCONS, TIOCSETD: put words into a terminal, or code under it."""
FILE_TRICKS = (1024, 1026, 1031)
"""F_SETLEASE, F_NOTIFY, F_SETPIPE_SZ: let others wait for a file, be told of a folder, make a pipe larger than is counted."""
PERSONALITIES = (0, 0xFFFFFFFF)
"""The usual one, and the question which one it is."""


class Bits(NamedTuple):
    """Refuse if any of ``mask`` is set in the ``argument``-th (from 0); with ``when``: only if those bits are set in that argument."""

    argument: int
    mask: int
    when: tuple[int, int] | None = None


class Unless(NamedTuple):
    """Refuse unless the ``argument``-th (from 0) is one of ``values``."""

    argument: int
    values: tuple[int, ...]
    error: int = errno.EPERM


class If(NamedTuple):
    """Refuse if the ``argument``-th (from 0) is one of ``values``. Only its lower 32 bits count, as they do for the kernel."""

    argument: int
    values: tuple[int, ...]


class Both(NamedTuple):
    """Refuse unless one argument is the value given with it, and refuse if another is the value given with that."""

    only: tuple[int, int]
    never: tuple[int, int]


WORKER = 1
"""The first process of a box, which watches the others: nobody slows it down or takes its means."""


def judged(unix: bool) -> dict[str, Bits | Unless | If | Both]:
    """Calls that are refused for some arguments only. ``unix``: whether unix sockets may be made."""
    families = (AF_UNIX, AF_INET, AF_INET6) if unix else (AF_INET, AF_INET6)
    return {
        "clone": Bits(0, NAMESPACES),
        "ioctl": If(1, TERMINAL_TRICKS),
        "fcntl": If(1, FILE_TRICKS),
        "socket": Unless(0, families, errno.EAFNOSUPPORT),
        "socketpair": Unless(0, (AF_UNIX,), errno.EAFNOSUPPORT),
        "personality": Unless(0, PERSONALITIES),
        "prlimit64": If(0, (WORKER,)),
        "sched_setaffinity": If(0, (WORKER,)),
        "sched_setattr": If(0, (WORKER,)),
        "sched_setparam": If(0, (WORKER,)),
        "sched_setscheduler": If(0, (WORKER,)),
        "setpriority": Both((0, 0), (1, WORKER)),  # of one process, not of all that a user has
        "ioprio_set": Both((0, 1), (1, WORKER)),
        "chmod": Bits(1, SET_ID),
        "fchmod": Bits(1, SET_ID),
        "fchmodat": Bits(2, SET_ID),
        "fchmodat2": Bits(2, SET_ID),
        "creat": Bits(1, SET_ID),
        "mknod": Bits(1, SET_ID),
        "mknodat": Bits(2, SET_ID),
        "open": Bits(2, SET_ID, (1, O_CREAT_TMPFILE)),
        "openat": Bits(3, SET_ID, (2, O_CREAT_TMPFILE)),
    }


_LOAD, _EQUAL, _GREATER, _ANY_BIT, _RETURN = 0x20, 0x15, 0x25, 0x45, 0x06
_KILL, _ERRNO, _ALLOW = 0x80000000, 0x00050000, 0x7FFF0000
_NUMBER_AT, _ARCH_AT, _ARGUMENTS_AT = 0, 4, 16
"""Where ``struct seccomp_data`` has the call's number, the processor and the arguments (eight bytes each)."""


class UnknownProcessor(Exception):
    """There is no table of call numbers for this processor; the message says for which there is."""


def program(unix: bool = False, processor: str = "") -> bytes:
    """The filter, to be handed to the kernel as it is. Raises :class:`UnknownProcessor`."""
    processor = processor or platform.machine()
    if processor not in AUDIT_ARCH:
        raise UnknownProcessor(f"the filter of system calls knows {' and '.join(AUDIT_ARCH)}, not {processor}")
    column = list(AUDIT_ARCH).index(processor)
    code = [_step(_LOAD, _ARCH_AT), _step(_EQUAL, AUDIT_ARCH[processor], 1, 0), _end(_KILL)]
    code += [_step(_LOAD, _NUMBER_AT), _step(_ANY_BIT, X32_BIT, 0, 1), _end(_KILL)]
    code += [_step(_GREATER, NEWEST, 0, 1), _end(_ERRNO | errno.ENOSYS)]
    for names, error in ((REFUSED, errno.EPERM), (ABSENT, errno.ENOSYS)):
        for name in names:
            number = NUMBERS[name][column]
            if number is not None:
                code += [_step(_EQUAL, number, 0, 1), _end(_ERRNO | error)]
    for name, rule in judged(unix).items():
        number = NUMBERS[name][column]
        if number is not None:
            block = _block(rule)
            code += [_step(_EQUAL, number, 0, len(block)), *block]
    code.append(_end(_ALLOW))
    return b"".join(code)


def _block(rule: Bits | Unless | If | Both) -> list[bytes]:
    """What is done with one call's argument; every path through it ends."""
    match rule:
        case Bits(number, mask, when):
            steps = [_argument(number), _step(_ANY_BIT, mask, 0, 1), _end(_ERRNO | errno.EPERM), _end(_ALLOW)]
            if when is not None:
                steps = [_argument(when[0]), _step(_ANY_BIT, when[1], 1, 0), _end(_ALLOW), *steps]
            return steps
        case Unless(number, values, error):
            checks = [one for value in values for one in (_step(_EQUAL, value, 0, 1), _end(_ALLOW))]
            return [_argument(number), *checks, _end(_ERRNO | error)]
        case If(number, values):
            checks = [one for value in values for one in (_step(_EQUAL, value, 0, 1), _end(_ERRNO | errno.EPERM))]
            return [_argument(number), *checks, _end(_ALLOW)]
        case Both((first, value), (second, worst)):
            refuse = _end(_ERRNO | errno.EPERM)
            return [_argument(first), _step(_EQUAL, value, 1, 0), refuse, *_block(If(second, (worst,)))]


def _argument(number: int) -> bytes:
    return _step(_LOAD, _ARGUMENTS_AT + 8 * number)  # the lower half: both processors are little-endian


def _end(verdict: int) -> bytes:
    return _step(_RETURN, verdict)


def _step(code: int, k: int, yes: int = 0, no: int = 0) -> bytes:
    """One ``struct sock_filter``: code, how many steps to skip if true and if false, and a number."""
    return struct.pack("<HBBI", code, yes, no, k)
