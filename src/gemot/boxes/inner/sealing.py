"""The few calls to the kernel that Python has no words for: sealing a process, a filter, and Landlock."""

from __future__ import annotations

import os
from _ctypes import call_function, dlopen, dlsym  # the part of ctypes that calls; all of it would take 2 ms to import


class Kernel:
    """The few calls that Python has no words for. Numbers are handed on as C's int, bytes as a pointer to them."""

    def __init__(self) -> None:
        library = dlopen(None, 0)  # type: ignore[arg-type] # what this process has loaded already
        self._addresses = {name: dlsym(library, name) for name in ("prctl", "syscall")}

    def _prctl(self, *arguments: int | bytes) -> None:
        if call_function(self._addresses["prctl"], arguments):
            raise OSError("the kernel would not seal a process")

    def _syscall(self, *arguments: int | bytes | None) -> int:
        return call_function(self._addresses["syscall"], arguments)

    def seal(self) -> None:
        self._prctl(4, 0, 0, 0, 0)  # PR_SET_DUMPABLE

    def unseal(self) -> None:
        self._prctl(4, 1, 0, 0, 0)

    def filter(self, program: bytes) -> None:
        """One more filter of system calls, for this thread and whatever it starts."""
        import ctypes

        code = ctypes.create_string_buffer(program, len(program))
        header = (len(program) // 8).to_bytes(8, "little") + ctypes.addressof(code).to_bytes(8, "little")
        self._prctl(22, 2, header, 0, 0)  # PR_SET_SECCOMP, SECCOMP_MODE_FILTER

    def landlock(self, writable: list[str]) -> bytes:
        """A second wall against writing: whatever the mounts say, only beneath ``writable``. Says its version, or nothing."""
        version = self._syscall(444, None, 0, 1)
        if version < 1:
            return b""
        rights = 0b1_1111_1111_0010  # write, remove, make anything (not: execute, read)
        rights |= (1 << 13 if version >= 2 else 0) | (1 << 14 if version >= 3 else 0)  # move, truncate
        rules = self._syscall(444, rights.to_bytes(8, "little"), 8, 0)
        if rules < 0:
            return b""
        for path in writable:
            try:
                folder = os.open(path, os.O_PATH)
            except OSError:
                continue
            beneath = rights.to_bytes(8, "little") + folder.to_bytes(4, "little")
            if self._syscall(445, rules, 1, beneath, 0):
                return b""
            os.close(folder)
        taken = self._syscall(446, rules, 0)
        os.close(rules)
        return b"" if taken else b"%d" % version
