"""Boxes: what is seen, what is refused, what a limit does, and that nothing outlives its use. Real boxes, no mock."""

from __future__ import annotations

import asyncio
import os
import signal
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from gemot.boxes import Bind, Boxes, BoxFailed, Call, Ended, Key, Limits, bubblewrap, building, filters, once
from gemot.boxes.probes import ALL, Guarantees, guarantees, probe
from gemot.boxes.shape import RESERVED

SEEN = "/work"
"""The folder as a box sees it."""


def _no_namespaces() -> str:
    """Why no box can be built here at all, in the words of the kernel's own tool; "" if one can."""
    try:
        said = subprocess.run(
            [bubblewrap.found(), "--unshare-user", "--ro-bind", "/", "/", "true"], capture_output=True, text=True
        )
    except BoxFailed as error:
        return str(error)
    return said.stderr.strip() if said.returncode else ""


WHY_NOT = _no_namespaces()
pytestmark = pytest.mark.skipif(bool(WHY_NOT), reason=f"NOTHING ABOUT WALLS IS TESTED HERE: {WHY_NOT}")
MIB = 1 << 20


def run(call: Call, *binds: Bind, limits: Limits | None = None) -> Ended:
    return asyncio.run(once(Key("test", binds, (), limits or Limits()), call))


def sh(command: str, *binds: Bind, **facts: float) -> Ended:
    return run(Call(("/bin/sh", "-c", command), **facts), *binds)  # type: ignore[arg-type]


def alive(mark: str) -> list[int]:
    """Processes of this computer with ``mark`` in their command line."""
    found: list[int] = []
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                words = Path(f"/proc/{name}/cmdline").read_bytes()
            except OSError:
                continue
            if mark.encode() in words:
                found.append(int(name))
    return found


def gone(mark: str, seconds: float = 5.0) -> bool:
    ends = time.monotonic() + seconds
    while alive(mark):
        if time.monotonic() > ends:
            return False
    return True


# -- what is seen ---------------------------------------------------------------------------------------------------


def test_a_command_says_its_output_and_its_exit_code() -> None:
    ended = sh("echo out; echo error >&2; exit 3")
    assert (ended.code, ended.stopped, ended.out.text(), ended.error.text()) == (3, "", "out\n", "error\n")


def test_a_python_program_runs_as_a_main_program() -> None:
    ended = run(Call(python="import sys\nprint(__name__, len(sys.argv))\nsys.exit('bye')"))
    assert (ended.code, ended.out.text(), ended.error.text()) == (1, "__main__ 1\n", "bye\n")


def test_an_error_in_python_is_shown_with_its_line() -> None:
    ended = run(Call(python="x = 1\nx / 0"))
    assert ended.code == 1 and "line 2" in ended.error.text() and "ZeroDivisionError" in ended.error.text()


def test_a_program_that_is_not_there_is_named() -> None:
    ended = run(Call(("no-such-program",)))
    assert ended.code == 127 and "no-such-program" in ended.error.text()


def test_folders_with_spaces_and_letters_of_any_script_are_seen(tmp_path: Path) -> None:
    folder = tmp_path / "Übersicht und mehr 目录"
    folder.mkdir()
    ended = sh("printf ja > 'neu ß'; pwd", Bind(str(folder), "/work", True), folder="/work")
    assert ended.out.text() == "/work\n" and (folder / "neu ß").read_text() == "ja"
    assert (folder / "neu ß").stat().st_uid == os.geteuid()


def test_a_folder_for_reading_can_not_be_written(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("kept")
    ended = sh("cat /fixed/a; echo no > /fixed/a; rm -f /fixed/a; touch /fixed/b", Bind(str(tmp_path), "/fixed"))
    assert ended.out.text() == "kept" and ended.code != 0
    assert [one.name for one in tmp_path.iterdir()] == ["a"] and (tmp_path / "a").read_text() == "kept"


def test_nothing_of_the_machine_is_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GEMOT_SECRET", "hunter-2")
    ended = sh("env; cat /proc/1/environ /proc/self/environ | tr '\\0' '\\n'")
    assert "hunter" not in ended.out.text() and "HOME=/tmp" in ended.out.text()


def test_version_control_is_read_only_and_can_not_be_moved_away(tmp_path: Path) -> None:
    for top in (tmp_path, tmp_path / "sub" / "deeper"):
        (top / ".git" / "hooks").mkdir(parents=True)
        (top / ".git" / "config").write_text("[core]\n")
    tries = "; ".join(
        f"echo x > {top}/.git/hooks/pre-commit; echo x >> {top}/.git/config; echo / > {top}/.git/commondir; "
        f"mv {top}/.git {top}/.old"
        for top in (".", "sub/deeper")
    )
    sh(f"{tries}; touch seen", Bind(str(tmp_path), "/work", True), folder="/work")
    assert (tmp_path / "seen").exists()
    for top in (tmp_path, tmp_path / "sub" / "deeper"):
        assert sorted(one.name for one in (top / ".git").iterdir()) == ["config", "hooks"]
        assert (top / ".git" / "config").read_text() == "[core]\n" and not list((top / ".git" / "hooks").iterdir())


@pytest.mark.parametrize("above", ["sub", "sub/deeper"])
def test_what_version_control_lies_in_can_not_be_moved_where_nobody_looks_either(tmp_path: Path, above: str) -> None:
    """What is mounted in a folder goes along when that is moved; the next box would not find it."""
    (tmp_path / above / ".git" / "hooks").mkdir(parents=True)
    (tmp_path / above / "a.md").write_text("a\n")
    seen = Bind(str(tmp_path), SEEN, True)
    sh(f"mkdir -p x/y/z; mv {above}/a.md x/b.md; mv sub x/y/z/; mv {above} x/y/z; rm -r {above}", seen, folder=SEEN)
    assert (tmp_path / "x" / "b.md").read_text() == "a\n", "what is beside it can be moved"
    sh("find . -name hooks -exec touch {}/evil ';'", seen, folder=SEEN)
    assert not list((tmp_path / above / ".git" / "hooks").iterdir())


def test_what_is_in_a_folder_that_is_closed_can_not_be_opened_and_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever closes a folder that is its own hides version control in it from the search. Root may open all: here it may not."""
    (tmp_path / "sub" / ".git").mkdir(parents=True)
    really = os.open

    def refused(path: str, flags: int, *more: int, **options: int) -> int:
        if path == "sub":
            raise PermissionError("closed")
        return really(path, flags, *more, **options)

    monkeypatch.setattr(os, "open", refused)
    sh("chmod 700 sub; touch sub/.git/hook; touch seen", Bind(str(tmp_path), SEEN, True), folder=SEEN)
    assert (tmp_path / "seen").exists() and not list((tmp_path / "sub" / ".git").iterdir())


def test_a_folder_that_was_exchanged_is_refused(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "other").mkdir()
    seen = (tmp_path / "real").stat()
    (tmp_path / "real").rmdir()
    (tmp_path / "real").symlink_to(tmp_path / "other")
    with pytest.raises(BoxFailed, match="was exchanged"):
        sh("echo > /work/x", Bind(str(tmp_path / "real"), "/work", True, (seen.st_dev, seen.st_ino)))
    assert not list((tmp_path / "other").iterdir())


@pytest.mark.parametrize("name", [*sorted(RESERVED), "", "..", "a/b"])
def test_a_folder_can_not_take_the_place_of_the_boxs_own(name: str) -> None:
    with pytest.raises(ValueError, match="/"):
        Bind("/srv", f"/{name}")


# -- whom a box serves ----------------------------------------------------------------------------------------------


def test_a_box_is_kept_for_its_key_and_for_no_other(tmp_path: Path) -> None:
    bind = Bind(str(tmp_path), "/work", True)
    first = Key("7", (bind,), ("person",))
    others = (
        Key("8", (bind,), ("person",)),
        Key("7", (bind,), ("person", "tool:web/get")),
        Key("7", (), ("person",)),
        Key("7", (Bind(str(tmp_path), "/work"),), ("person",)),
    )

    async def work() -> list[str]:
        boxes = Boxes()
        try:
            await boxes.run(first, Call(("/bin/sh", "-c", "echo mine > /tmp/left; echo mine > /dev/shm/left")))
            look = Call(("/bin/sh", "-c", "cat /tmp/left /dev/shm/left"))
            return [(await boxes.run(key, look)).out.text() for key in (first, *others)]
        finally:
            await boxes.close()

    assert asyncio.run(work()) == ["mine\nmine\n", "", "", "", ""]


def test_two_calls_of_one_key_at_a_time_have_a_box_each() -> None:
    async def work() -> list[Ended]:
        boxes, key = Boxes(), Key("7")
        try:
            calls = [Call(("/bin/sh", "-c", f"echo {n} > /tmp/n; sleep 0.2; cat /tmp/n")) for n in range(3)]
            return await asyncio.gather(*(boxes.run(key, one) for one in calls))
        finally:
            await boxes.close()

    assert [one.out.text() for one in asyncio.run(work())] == ["0\n", "1\n", "2\n"]


# -- what a limit does ----------------------------------------------------------------------------------------------

SMALL = Limits(192 * MIB, 96 * MIB, 16, 2 * MIB, 64, 4 * MIB, 200, 4 * MIB, MIB)


def test_at_its_deadline_a_use_ends_with_all_that_it_started() -> None:
    mark = f"77{os.getpid()}.25"
    ended = sh(f"setsid sleep {mark} & (sleep {mark} &) ; sleep {mark}", seconds=0.3)
    assert ended.stopped == "time" and ended.millis < 2_000
    assert gone(mark)


def test_what_a_use_leaves_running_is_ended_with_it() -> None:
    mark = f"78{os.getpid()}.25"
    ended = sh(f"setsid sleep {mark} > /dev/null 2>&1 & echo done")
    assert (ended.code, ended.out.text()) == (0, "done\n") and gone(mark)


def test_nobody_slows_down_the_worker_not_as_one_of_a_users_processes_either() -> None:
    source = """
import os
for attempt in (lambda: os.setpriority(os.PRIO_USER, 0, 19), lambda: os.setpriority(os.PRIO_PROCESS, 1, 19)):
    try:
        attempt()
    except PermissionError:
        print("refused")
os.setpriority(os.PRIO_PROCESS, 0, 10)
"""
    ended = run(Call(python=source))
    assert (ended.code, ended.out.text()) == (0, "refused\nrefused\n")


def test_long_output_keeps_its_beginning_and_its_end() -> None:
    ended = run(Call(("/bin/sh", "-c", "seq 100000"), output_bytes=1_000))
    text = ended.out.text()
    assert text.startswith("1\n2\n") and text.endswith("99999\n100000\n") and "bytes left out" in text
    assert len(text) < 1_100 and ended.out.total == 588_895


@pytest.mark.parametrize(
    ("limit", "source"),
    [
        ("cpu", "while True: pass"),
        ("tasks", "import os\nwhile True: os.fork()"),
        ("memory", "import os\nfor _ in range(3): os.fork()\nx = bytearray(50 << 20)\nimport time\ntime.sleep(9)"),
        ("disk", "n = 0\nwhile True:\n    open(f'/tmp/{n}', 'w').close()\n    n += 1"),
        ("disk", "n = 0\nwhile True:\n    open(f'/work/{n}', 'w').close()\n    n += 1"),
        ("disk", "n = 0\nwhile True:\n    open(f'/work/{n}', 'wb').write(bytes(1 << 20))\n    n += 1"),
    ],
)
def test_a_use_is_stopped_at(limit: str, source: str, tmp_path: Path) -> None:
    binds = (Bind(str(tmp_path), "/work", True),) if "/work" in source else ()
    ended = run(Call(python=source, cpu_seconds=1, seconds=9), *binds, limits=SMALL)
    refused = (
        limit == "tasks" and "Resource temporarily unavailable" in ended.error.text()
    )  # by the kernel, but not to root
    assert ended.stopped == limit or refused
    assert sum(1 for _ in tmp_path.iterdir()) < 10_000


def test_one_process_has_no_more_memory_and_one_file_no_more_length_than_allowed(tmp_path: Path) -> None:
    source = """
for attempt in (lambda: bytearray(400 << 20), lambda: open("/work/a", "wb").write(bytes(8 << 20))):
    try:
        attempt()
    except (MemoryError, OSError) as error:
        print(type(error).__name__)
"""
    ended = run(Call(python=source), Bind(str(tmp_path), "/work", True), limits=SMALL)
    assert ended.out.text().split() == ["MemoryError", "OSError"] and (tmp_path / "a").stat().st_size <= 2 * MIB


def test_a_cancelled_use_leaves_nothing() -> None:
    mark = f"79{os.getpid()}.25"

    async def work() -> None:
        task = asyncio.create_task(once(Key("test"), Call(("/bin/sh", "-c", f"setsid sleep {mark} & sleep {mark}"))))
        while not alive(mark):  # noqa: ASYNC110 - what is waited for happens in another process
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert not alive(mark)

    asyncio.run(work())


def test_a_killed_machine_leaves_nothing() -> None:
    mark = f"80{os.getpid()}.25"
    source = (
        "import asyncio; from gemot.boxes import *; "
        f"asyncio.run(once(Key('x'), Call(('/bin/sh', '-c', 'setsid sleep {mark} & sleep {mark}'))))"
    )
    machine = subprocess.Popen([sys.executable, "-c", source])
    own = {machine.pid}
    while not set(alive(mark)) - own:
        time.sleep(0.01)
        assert machine.poll() is None
    machine.send_signal(signal.SIGKILL)
    machine.wait()
    assert gone(mark)


# -- the filter and the guarantees ----------------------------------------------------------------------------------


@pytest.mark.parametrize("processor", ["x86_64", "aarch64"])
@pytest.mark.parametrize("unix", [False, True])
def test_every_way_through_the_filter_ends(processor: str, unix: bool) -> None:
    steps = list(struct.iter_unpack("<HBBI", filters.program(unix, processor)))
    assert len(steps) < 400 and steps[-1] == (0x06, 0, 0, 0x7FFF0000)
    for at, (code, yes, no, _) in enumerate(steps):
        if code in (0x15, 0x25, 0x45):
            assert at + 1 + max(yes, no) < len(steps)
        else:
            assert code in (0x20, 0x06)


def test_there_is_no_filter_for_an_unknown_processor() -> None:
    with pytest.raises(filters.UnknownProcessor, match="x86_64 and aarch64, not sparc"):
        filters.program(processor="sparc")


def test_every_guarantee_that_is_claimed_was_tried_here() -> None:
    found = probe()
    assert found.held <= set(ALL)
    assert {"files", "environment", "privileges", "calls", "time"} <= found.held, found.broken


def test_a_tool_is_told_which_walls_it_misses() -> None:
    found = Guarantees({"network": "there is a device"})
    assert found.missing(("files", "network", "moat")).keys() == {"network", "moat"}
    assert not guarantees().missing(())


# -- what it does not disturb ---------------------------------------------------------------------------------------


def test_a_signal_of_the_terminal_does_not_end_the_worker() -> None:
    ended = sh("kill -INT 1; kill -INT 1; sleep 0.1; echo still here")
    assert (ended.code, ended.out.text()) == (0, "still here\n")


def test_a_signal_of_the_terminal_still_ends_a_program_in_the_box() -> None:
    ended = run(Call(python="import os, signal\nos.kill(os.getpid(), signal.SIGINT)\nprint('deaf')"))
    assert ended.code == 1 and "KeyboardInterrupt" in ended.error.text() and not ended.out.text()


def test_what_was_left_running_is_named() -> None:
    ended = sh("sleep 100 & sleep 100 & sleep 0.1; echo started")
    assert (ended.left, ended.left_names) == (2, ("sleep", "sleep")) and ended.out.text() == "started\n"
    assert sh("sleep 0.01 & wait; echo done").left == 0


def test_an_interrupted_use_is_answered_with_its_output_so_far(tmp_path: Path) -> None:
    async def work() -> Ended:
        call = Call(("/bin/sh", "-c", "echo so far; touch /work/begun; sleep 60"), interruptible=True)
        task = asyncio.create_task(once(Key("test", (Bind(str(tmp_path), "/work", True),)), call))
        while not (tmp_path / "begun").exists():  # noqa: ASYNC110 - what is waited for happens in another process
            await asyncio.sleep(0.01)
        task.cancel()
        return await task

    ended = asyncio.run(work())
    assert (ended.stopped, ended.out.text()) == ("interrupted", "so far\n")


def test_an_environment_made_in_a_box_finds_its_interpreter_and_libraries() -> None:
    ended = sh(
        "cd /tmp && gemot-python -m venv --without-pip own && own/bin/python -c 'import ssl, sys; print(sys.prefix)'"
    )
    assert (ended.code, ended.out.text()) == (0, "/tmp/own\n"), ended.error.text()


def test_an_interpreter_that_is_mounted_finds_its_own_libraries() -> None:
    name = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    ended = sh(f"/other/bin/{name} -c 'import ssl, sys; print(sys.prefix)'", Bind(sys.base_prefix, "/other"))
    assert (ended.code, ended.out.text()) == (0, "/other\n"), ended.error.text()


def test_an_environment_of_the_person_works_in_a_box(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(tmp_path / "own")], check=True)
    ended = sh("/work/own/bin/python -c 'import ssl, sys; print(sys.prefix)'", Bind(str(tmp_path), "/work"))
    assert (ended.code, ended.out.text()) == (0, "/work/own\n"), ended.error.text()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root owns files beneath /usr")
def test_files_of_root_alone_beneath_usr_are_not_read() -> None:
    with tempfile.TemporaryDirectory(prefix="gemot", dir="/usr/local") as folder:
        secret = Path(folder, "open", "secret")
        secret.parent.mkdir()
        os.chmod(folder, 0o755)
        secret.write_text("secret")
        secret.chmod(0o600)
        closed = Path(folder, "closed")
        closed.mkdir(0o700)
        (closed / "secret").write_text("secret")
        building.private.cache_clear()
        try:
            ended = sh(f"cat {secret}; cat {closed}/secret; ls {folder}")
        finally:
            building.private.cache_clear()
    assert ended.out.text().split() == ["closed", "open"], ended.out.text()
