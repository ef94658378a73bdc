from __future__ import annotations

import unittest

from shop import money


class TestMoney(unittest.TestCase):
    def test_amounts_are_read_and_written(self) -> None:
        for words, amount in (("12.50", 1250), ("0.05", 5), ("-3.10", -310), ("7", 700)):
            self.assertEqual(money.cents(words), amount)
        self.assertEqual([money.text(one) for one in (1250, 5, -310, -5)], ["12.50", "0.05", "-3.10", "-0.05"])

    def test_what_is_no_amount_is_said(self) -> None:
        for words in ("", "ten", "1.5", "1.505"):
            with self.assertRaises(ValueError):
                money.cents(words)

    def test_a_percentage_is_rounded_to_the_cent(self) -> None:
        self.assertEqual([money.percent(one, "19") for one in (100, 101, 50, -50)], [19, 19, 10, -10])
