"""The worker process: it may crash, hang or talk nonsense, and the next request is answered all the same."""

from __future__ import annotations

import asyncio
import os
import re
import select
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from gemot.models.embedded.link import Link
from gemot.models.embedded.model import EmbeddedModel
from gemot.models.port import ModelFailed
from tests.units.embedded_weights import needs_weights, text_request

READY = 'import json, sys; print(json.dumps({"ready": True}), flush=True); '
ECHO = READY + (
    "\nfor line in sys.stdin:\n"
    "    request = json.loads(line)\n"
    '    if request["do"] == "die": sys.exit(3)\n'
    '    print(json.dumps({"id": request["id"], "done": {"did": request["do"]}}), flush=True)\n'
)


def link_to(script: str) -> Link:
    """A link to a worker that is this Python script instead of the real one."""
    return Link(lambda: Path("weights"), 1, (sys.executable, "-c", script))


def with_link(link: Link, use: Callable[[Link], Awaitable[None]]) -> None:
    async def main() -> None:
        try:
            await use(link)
        finally:
            await link.close()
        assert link.pid is None

    asyncio.run(main())


def test_a_worker_that_dies_is_started_again() -> None:
    async def use(link: Link) -> None:
        assert await link.ask("count") == {"did": "count"}
        with pytest.raises(ModelFailed, match="exit status 3"):
            await link.ask("die")
        assert link.starts == 2
        assert await link.ask("count") == {"did": "count"}

    with_link(link_to(ECHO), use)


@pytest.mark.parametrize(
    "nonsense",
    [
        'print("Segmentation fault")',
        "print('[1, 2')",
        "print('[1, 2]')",
        'print(\'{"id": 99, "done": {}}\')',
        "print('{\"id\": 1}')",
        'sys.stdout.buffer.write(bytes(range(256)) + b"\\n")',
        'sys.stdout.write("x" * 5_000_000)',
    ],
)
def test_garbage_on_the_pipe_is_a_clear_failure(nonsense: str) -> None:
    async def use(link: Link) -> None:
        with pytest.raises(ModelFailed, match="embedded model's worker") as failure:
            await link.ask("count")
        assert failure.value.kind == "unreachable"

    with_link(link_to(f"{READY}\nfor line in sys.stdin:\n    {nonsense}\n    sys.stdout.flush()\n"), use)


def test_a_worker_that_never_gets_ready_is_a_clear_failure() -> None:
    async def use(link: Link) -> None:
        with pytest.raises(ModelFailed, match="worker"):
            await link.ask("count")

    with_link(link_to("pass"), use)


def test_what_the_worker_could_not_start_for_is_passed_on() -> None:
    async def use(link: Link) -> None:
        with pytest.raises(ModelFailed, match="no engine") as failure:
            await link.ask("count")
        assert failure.value.kind == "missing"

    with_link(link_to('print(\'{"fatal": "no engine here", "kind": "missing"}\')'), use)


def test_cancelling_a_hung_worker_kills_it() -> None:
    async def use(link: Link) -> None:
        asking = asyncio.create_task(link.ask("hang"))
        await link.started.wait()
        assert link.pid is not None
        watch = os.pidfd_open(link.pid)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        assert select.select([watch], [], [], 10)[0], "the hung worker still runs"
        os.close(watch)

    with_link(link_to(f"{READY}\nimport time\nwhile True: time.sleep(60)"), use)


def test_missing_weights_say_what_to_run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("GEMOT_DATA", str(tmp_path))

    async def main() -> None:
        model = EmbeddedModel()
        with pytest.raises(ModelFailed, match="gemot model install"):
            await model.generate(text_request("Hello"), lambda piece: None)
        await model.close()

    asyncio.run(main())


@needs_weights
def test_a_crashed_worker_is_not_noticed_by_the_next_request() -> None:
    async def main() -> None:
        model = EmbeddedModel(1)
        link = model._link  # pyright: ignore[reportPrivateUsage]
        await link.ask("count", text="one")
        assert link.pid is not None
        os.kill(link.pid, signal.SIGKILL)
        assert (await link.ask("count", text="one two"))["tokens"] == 2
        assert link.starts == 2
        await model.close()

    asyncio.run(main())


@needs_weights
def test_a_cancelled_request_leaves_the_worker_free() -> None:
    async def main() -> None:
        model = EmbeddedModel(1)
        link = model._link  # pyright: ignore[reportPrivateUsage]
        talking = asyncio.Event()
        long = asyncio.create_task(
            model.generate(text_request("Tell me a long story.", 512), lambda piece: talking.set())
        )
        await talking.wait()
        pid = link.pid
        long.cancel()
        with pytest.raises(asyncio.CancelledError):
            await long
        assert (await link.ask("count", text="one"))["tokens"] == 1
        assert link.pid == pid
        await model.close()

    asyncio.run(main())


@needs_weights
def test_the_worker_opens_no_port() -> None:
    async def main() -> None:
        model = EmbeddedModel(1)
        await model.generate(text_request("Hello", 2), lambda piece: None)
        pid = model._link.pid  # pyright: ignore[reportPrivateUsage]
        sockets: set[str] = set()
        for descriptor in Path(f"/proc/{pid}/fd").iterdir():
            sockets.update(re.findall(r"socket:\[(\d+)\]", os.readlink(descriptor)))
        for kind in ("tcp", "tcp6", "udp", "udp6", "raw"):
            table = Path(f"/proc/{pid}/net/{kind}")
            ports = {line.split()[9] for line in table.read_text().splitlines()[1:]} if table.exists() else set[str]()
            assert not sockets & ports, f"the worker has an open {kind} socket"
        await model.close()

    asyncio.run(main())


@needs_weights
def test_the_worker_ends_with_its_parent() -> None:
    script = (
        "import asyncio\n"
        "from gemot.models.embedded.model import EmbeddedModel\n"
        "async def main():\n"
        "    model = EmbeddedModel(1)\n"
        "    await model._link.ask('count', text='a')\n"
        "    print(model._link.pid, flush=True)\n"
        "    await asyncio.sleep(600)\n"
        "asyncio.run(main())\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(entry for entry in sys.path if entry)}
    parent = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, env=environment)
    assert parent.stdout is not None
    watch = os.pidfd_open(int(parent.stdout.readline()))
    parent.kill()
    parent.wait()
    assert select.select([watch], [], [], 10)[0], "the worker outlived its parent"
    os.close(watch)
    parent.stdout.close()
