"""What an attempt has at hand where it runs: facts about the arena, and the kernel's calls by number.

Sent as source before each attempt, into a box and outside of one alike, so it needs nothing but Python.
"""

import contextlib
import ctypes
import errno
import fcntl
import mmap
import os
import platform
import signal
import socket
import stat
import struct
import subprocess
import sys
import threading
import time

USED = (contextlib, errno, fcntl, mmap, platform, signal, socket, stat, struct, subprocess, sys, threading, time)
libc = ctypes.CDLL(None, use_errno=True)
X86 = platform.machine() == "x86_64"


class Facts:
    """``work`` (writable), ``fixed`` (read-only), and outside: ``secret`` with ``mark`` in it, ports, processes, keys."""

    def __init__(self, **facts):
        self.__dict__.update(facts)


def call(x86, arm, *arguments):
    """A call to the kernel by its number on each processor; raises OSError."""
    number = x86 if X86 else arm
    if number is None:
        raise OSError(errno.ENOSYS, "this processor has no such call")
    ctypes.set_errno(0)
    libc.syscall.restype = ctypes.c_long
    turned = [ctypes.c_long(one) if isinstance(one, int) else one for one in arguments]
    answer = libc.syscall(ctypes.c_long(number), *turned)
    if answer == -1:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return answer


def reaches(*tries):
    """Whether any of some things can be done."""
    failures = []
    for one in tries:
        try:
            if one() is not False:
                return True
        except OSError as error:
            failures.append(error)
    raise failures[-1]


def read(path):
    with open(path, "rb") as file:
        return file.read(100_000)


def opened(path, flags=os.O_RDONLY):
    os.close(os.open(path, flags))
    return True


def judge(attempt, facts):
    """Make the attempt and say in one line how it ended."""
    try:
        got = attempt(facts)
    except MemoryError:
        print("\nNO: out of memory")
    except Exception as error:  # noqa: BLE001 - whatever it is, it is the verdict
        print(f"\nNO: {type(error).__name__}: {error}")
    else:
        print("\nGOT" if got else "\nNO: nothing came of it")
    sys.stdout.flush()
