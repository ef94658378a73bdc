"""Invoices: lines, discounts, and the taxes on them."""

from __future__ import annotations

from dataclasses import dataclass, field

from shop import money


@dataclass(frozen=True)
class Line:
    """``count`` of one thing at ``price`` cents each; ``rate`` is the tax in percent, ``discount`` what comes off, in percent."""

    what: str
    count: int
    price: int
    rate: str = "19"
    discount: str = "0"

    @property
    def net(self) -> int:
        whole = self.count * self.price
        return whole - money.percent(whole, self.discount)


@dataclass
class Invoice:
    lines: list[Line] = field(default_factory=list)

    @property
    def net(self) -> int:
        return sum(line.net for line in self.lines)

    def taxes(self) -> dict[str, int]:
        """The tax for each rate."""
        sums: dict[str, int] = {}
        for line in self.lines:
            sums[line.rate] = sums.get(line.rate, 0) + line.net
        return {rate: money.percent(amount, rate) for rate, amount in sums.items()}

    @property
    def total(self) -> int:
        return self.net + sum(self.taxes().values())
