from __future__ import annotations

import unittest

from shop.invoice import Invoice, Line
from shop.printing import printed


class TestInvoice(unittest.TestCase):
    def test_one_line(self) -> None:
        self.assertEqual(Invoice([Line("pen", 2, 150)]).total, 357)

    def test_the_tax_is_taken_on_the_sum_of_a_rate(self) -> None:
        rolls = Invoice([Line("roll", 1, 50, "7"), Line("bun", 1, 50, "7"), Line("cake", 1, 50, "7")])
        self.assertEqual(rolls.taxes(), {"7": 11})
        self.assertEqual(rolls.total, 161)

    def test_a_discount_comes_off_each_line(self) -> None:
        self.assertEqual(Invoice([Line("book", 1, 999, "7", "10"), Line("lamp", 1, 2000, "19", "25")]).net, 899 + 1500)

    def test_a_refund_is_the_invoice_with_its_sign_turned(self) -> None:
        self.assertEqual(Invoice([Line("pen", -1, 50)]).total, -60)

    def test_it_is_printed(self) -> None:
        last = printed(Invoice([Line("pen", 2, 150)])).splitlines()[-1]
        self.assertEqual(last.split(), ["total", "3.57"])
