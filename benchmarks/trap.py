"""How long the kernel takes to decide about one tool use: `python -m benchmarks.trap`.

Twenty grants for the same tool, each with a source that picks a record out of a result of 50 records, and one that allows
the use, the last. Measured is the whole of `Kernel.handle` for the syscall: references filled in, schema, rules, sources,
labels, and the effect that comes of it. Printed in milliseconds of this thread's own time (the computer may have others to
serve), for results that were looked at before and for results that are looked at for the first time.

Each payment has an amount of its own. The kernel refuses a process that repeats one request with one result.
"""

from __future__ import annotations

import argparse
import gc
import itertools
import statistics
import time

import msgspec

from gemot.abi.effects import Begin, StartTool
from gemot.abi.events import Arrived, Done, Installed, Trapped, Value
from gemot.abi.grants import Budget, Grant, Rule, Source
from gemot.abi.programs import ProgramSpec
from gemot.abi.syscalls import Call, ToolUse
from gemot.abi.tools import Manifest, ToolSpec
from gemot.kernel import Kernel

GRANTS, RECORDS, TIMES, DOCUMENTS = 20, 50, 5_000, 200
AMOUNTS_PER_UNIT = 1_000
"""Amounts go up by a part of one, so that a hundred thousand of them stay below the limit of the grant."""
TOOLS = (
    ToolSpec(
        "bank/list",
        "Transfers.",
        {"type": "object"},
        "reads",
        True,
        foreign=True,
        vouches=("id",),
        records="transfers[]",
    ),
    ToolSpec(
        "bank/pay",
        "Pay.",
        {
            "type": "object",
            "properties": {"recipient": {"type": "string"}, "amount": {"type": "number"}},
            "required": ["recipient", "amount"],
        },
        "sends",
        True,
    ),
)
PROGRAMS = (ProgramSpec("worker", "A program.", "native", "w" * 64),)


def source(number: int) -> Source:
    """The recipient of the one transfer with such a subject, newer than some."""
    return Source(
        "bank/list", "recipient", where={"subject": Rule(contains=f"bill {number} "), "amount": Rule(at_least=1)}
    )


def document(seed: int) -> Value:
    records = [
        {"id": one, "recipient": f"DE{seed:06}{one:012}", "subject": f"the bill {one} of {seed}", "amount": one + 1}
        for one in range(RECORDS)
    ]
    text = msgspec.json.encode({"transfers": records}).decode()
    return Value(text, f"{seed:064}", len(text))


def world() -> tuple[Kernel, int]:
    kernel = Kernel()
    kernel.handle(Installed(1, (Manifest("bank", "1", "A bank.", TOOLS),), PROGRAMS))
    grants = tuple(
        Grant("bank/pay", {"recipient": Rule(source=(source(number),)), "amount": Rule(at_most=100)})
        for number in range(GRANTS)
    )
    budget = Budget(10**9, 10**9, 10**12, 10, 3, 10**9)
    effects = kernel.handle(Arrived(1, "goal", "worker", ("m",), (), budget, (Grant("bank/list"), *grants)))
    return kernel, next(effect.pid for effect in effects if isinstance(effect, Begin))


def handle_of(kernel: Kernel, pid: int, seed: int) -> int:
    """Let the process list its transfers; the number of the handle."""
    (start,) = kernel.handle(Trapped(1, pid, Call((ToolUse("bank/list"),))))
    assert isinstance(start, StartTool)
    kernel.handle(Done(1, start.effect, document(seed)))
    return max(kernel.processes[pid].handles)


def decide(kernel: Kernel, pid: int, arguments: dict[str, object]) -> float:
    """The milliseconds of one decision that allows a payment under the last grant."""
    event = Trapped(1, pid, Call((ToolUse("bank/pay", arguments),)))
    began = time.thread_time()
    effects = kernel.handle(event)
    took = time.thread_time() - began
    (start,) = effects
    assert isinstance(start, StartTool), effects
    kernel.handle(Done(1, start.effect, Value("paid")))
    return took * 1000


def measure(times: int, documents: int) -> dict[str, list[float]]:
    """The milliseconds of each decision, by the form of the reference."""
    kernel, pid = world()
    index = GRANTS - 1
    amounts = (1 + number / AMOUNTS_PER_UNIT for number in itertools.count())

    def pay(recipient: dict[str, object]) -> float:
        return decide(kernel, pid, {"recipient": recipient, "amount": next(amounts)})

    first: list[float] = []
    by_place: dict[str, object] = {}
    query: dict[str, object] = {}
    for seed in range(documents):
        number = handle_of(kernel, pid, seed)
        by_place = {"$from": number, "at": f"transfers[{index}].recipient"}
        query = {
            "$from": number,
            "field": "recipient",
            "where": {"subject": {"contains": f"bill {index} "}, "amount": {"at_least": 1}},
        }
        first.append(pay(by_place))
    return {
        "by place": [pay(by_place) for _ in range(times)],
        "by what it is": [pay(query) for _ in range(times)],
        "by place, seen first": first,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--times", type=int, default=TIMES, help="decisions about a result that was looked at before")
    parser.add_argument(
        "--documents", type=int, default=DOCUMENTS, help="results that are looked at for the first time"
    )
    wanted = parser.parse_args()
    gc.disable()
    for name, times in measure(wanted.times, wanted.documents).items():
        cuts = statistics.quantiles(times, n=100)
        print(f"{name:22} p50 {cuts[49]:.4f} ms   p99 {cuts[98]:.4f} ms   n {len(times)}")


if __name__ == "__main__":
    main()
