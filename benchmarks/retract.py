"""How long a retraction takes in a tree of a thousand processes: ``python -m benchmarks.retract``.

One process has said something, the root has read it and has begun 25 children with 39 of their own each; then it is taken back.
Beside it, in the same run: ending the same tree.
"""

from __future__ import annotations

import argparse
import statistics
import time

from gemot.abi.events import Arrived, Installed, Retracted, Stopped, Trapped
from gemot.abi.grants import Budget, BudgetRequest, Grant
from gemot.abi.programs import ProgramSpec
from gemot.abi.syscalls import SYSCALLS, Exit, Spawn, Syscall, Wait
from gemot.kernel import Kernel

ROUNDS = 20
BRANCHES, LEAVES = 25, 39


def tree() -> Kernel:
    """A kernel with such a tree; its first process is 1, the one that is taken back 2."""
    kernel = Kernel()
    kernel.handle(Installed(0, (), (ProgramSpec("worker", "Works.", "native", "w" * 64),)))
    rights = tuple(Grant(name) for name in SYSCALLS)
    budget = Budget(100_000, 0, 10_000, 2_000, 10, 1_000_000)
    kernel.handle(Arrived(0, "a goal", "worker", ("m",), (), budget, rights))

    def trap(pid: int, syscall: Syscall) -> None:
        kernel.handle(Trapped(0, pid, syscall))

    all_rights = tuple(SYSCALLS)
    trap(1, Spawn("source", "worker"))
    trap(2, Exit("wrong"))
    trap(1, Wait())
    for _ in range(BRANCHES):
        share = BudgetRequest(tokens=1_000, processes=LEAVES, depth=2, calls=1_000)
        trap(1, Spawn("branch", "worker", grants=all_rights, budget=share))
        branch = max(kernel.processes)
        for _ in range(LEAVES):
            trap(branch, Spawn("leaf", "worker", budget=BudgetRequest(tokens=1, processes=0)))
    return kernel


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    rounds = parser.parse_args().rounds
    taken: list[float] = []
    ended: list[float] = []
    for _ in range(rounds):
        for event, times in ((Retracted(0, 2, "wrong"), taken), (Stopped(0, 1), ended)):
            kernel = tree()
            assert sum(one.alive for one in kernel.processes.values()) == 1 + BRANCHES * (1 + LEAVES)
            began = time.perf_counter()
            kernel.handle(event)
            times.append(1_000 * (time.perf_counter() - began))
            left = sum(one.alive for one in kernel.processes.values())
            assert left == (1 if times is taken else 0), left
    for what, times in (("taken back", taken), ("ended", ended)):
        print(
            f"{what}: {1 + BRANCHES * (1 + LEAVES)} processes, p50 {statistics.median(times):.1f} ms, most {max(times):.1f} ms"
        )
    print(f"ratio {statistics.median(taken) / statistics.median(ended):.2f}")


if __name__ == "__main__":
    main()
