"""The body: boot, loop, recovery, budgets in real time; the only async code and the only clock."""
