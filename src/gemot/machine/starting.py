"""What a person asks for when a tree is to begin, checked before anything happens: a mistake costs a message, no more."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from gemot.abi import limits
from gemot.abi.events import Arrived
from gemot.abi.grants import Mount
from gemot.kernel import Kernel
from gemot.kernel.authority import MOUNT_NAME, anchor
from gemot.kernel.families import known_program
from gemot.kernel.ledger import means
from gemot.kernel.refusal import Refused
from gemot.machine.loop import MachineError


def work_mount(work: Path | str, mode: Literal["ro", "rw"]) -> Mount:
    """The folder that a process sees as ``/work``. Raises :class:`MachineError`."""
    folder = Path(work).expanduser().absolute()
    if not folder.is_dir():
        raise MachineError(f"there is no folder {folder}; make it first, or name another")
    return Mount("work", str(folder), mode)


def check(kernel: Kernel, event: Arrived) -> None:
    """Raises :class:`MachineError` for what can't begin so."""
    if not event.goal.strip():
        raise MachineError("a goal can't be empty: say what is to be done")
    if len(event.goal) > limits.TEXT_CHARS_MAX:
        raise MachineError(
            f"a goal has at most {limits.TEXT_CHARS_MAX} characters; put long texts into a file and name it"
        )
    for mount in event.mounts:
        if not MOUNT_NAME.fullmatch(mount.name) or not Path(mount.folder).is_absolute():
            raise MachineError(
                f"a mount is a name in lower-case letters and an absolute folder, not {mount.name!r} and {mount.folder!r}"
            )
    try:
        spec = known_program(kernel, event.program, event.arguments)
        anchor(spec.grants if event.grants is None else event.grants, event.mounts, kernel.tools)
        means(event.budget)
    except Refused as refusal:
        raise MachineError(refusal.message) from refusal
