"""An invoice as it is printed."""

from __future__ import annotations

from shop import money
from shop.invoice import Invoice


def printed(invoice: Invoice) -> str:
    """One line for each thing, one for each tax, and the total."""
    rows = [(f"{line.count} x {line.what}", line.net) for line in invoice.lines]
    rows += [(f"tax {rate} %", amount) for rate, amount in invoice.taxes().items()]
    rows.append(("total", invoice.total))
    return "\n".join(f"{what:<24}{money.text(amount):>10}" for what, amount in rows)
