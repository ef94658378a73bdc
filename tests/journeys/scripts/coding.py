"""Hands that mend the example shop: one that is wrong at first, and one that only says that it is done."""

from __future__ import annotations

from gemot.abi.messages import Request
from gemot.models.scripted import heard, request

OLD = "round(amount * Decimal(rate) / 100)"
NEW = 'int((amount * Decimal(rate) / 100).quantize(Decimal(1), "ROUND_HALF_UP"))'
DONE = request("exit", value="half a cent was rounded to even", claims={"the tests pass": "shell/run"})


def mends(question: Request):
    """Mends the symptom and says so; when that comes back, mends the cause, and runs the tests before it says so."""
    last = heard(question)
    if not last:
        return [request("files/read", path="tests/test_invoice.py"), request("files/read", path="shop/invoice.py")]
    match last[0].name:
        case "files/read" if "round" not in last[0].text:
            return [request("files/edit", path="shop/invoice.py", old="self.net + sum", new="self.net + 1 + sum")]
        case "files/edit" if "invoice.py" in last[0].text:
            return [DONE]
        case "exit":
            return [request("files/read", path="shop/money.py")]
        case "files/read":
            return [
                request("files/edit", path="shop/money.py", old=OLD, new=NEW),
                request("files/edit", path="shop/invoice.py", old="self.net + 1 + sum", new="self.net + sum"),
                request("shell/run", command="python3 -m unittest"),
            ]
        case _:
            return [DONE]


def lies(_: Request):
    """Does nothing, says that it is done, and says so again."""
    return [request("exit", value="I have mended it, and all the tests pass", claims={"the tests pass": "shell/run"})]
