"""The rules by which the kernel folds records, as numbers. Decision 55 says how a rule is changed.

`Booted` writes down the number of its machine. It decides every record from there to the next `Booted`. The kernel has the
number of the record at hand in ``kernel.rules``, and the number that a tree began with in ``process.rules``.

A change of a decision raises :data:`RULES`, names the number here, and keeps the former way behind it::

    if kernel.rules >= BATCHES_IN_ORDER:

Ask ``process.rules`` instead where the new way needs what a tree has gathered since it began.
"""

from __future__ import annotations

RULES = 10
"""The rules of this version."""

OLDEST = 0
"""The oldest rules that are kept. Records of older ones are not folded. They are evidence: shown as they are."""

TREES_ARE_WATCHED = 1
"""A request that rests on a failed one of its own reply is held back, loops are noticed, and children without a budget draw on
a purse. This one goes by the tree."""

BATCHES_IN_ORDER = 1
"""What writes or sends waits for what comes before it in its batch. Before, all uses of a batch began at once. Some records with
number 0 were decided in order, too. They don't say so, so a use that had not ended counts as begun: in doubt, never done twice."""

DOUBTS = 2
"""A receipt tells a use that is in doubt, and one that was not begun, from one that failed. This one goes by the tree."""

NUMBERS_ARE_EXACT = 3
"""From here on each change has a number of its own. Each lower number stands for several sets of rules. So each record with a lower number
is compared with the records before it. A record that does not follow from them was decided by rules that are not kept."""

RETRACTIONS_ARE_EXACT = 4
"""A retraction ends and blanks nothing that a model asked for, or was told, before it read the words that are taken back. This one goes
by the tree."""

DATES_GO_BY_THE_DAY = 5
"""`Booted` and `Ticked` say by how much the order of events is ahead of the time of day, and dates go by that. Records of earlier rules
say nothing of it, so it is zero in them, and no decision asks for this number."""

RECEIPTS_KEEP_LABELS = 6
"""What a receipt tells of acts that a process was put back from has the label that the process had then."""

TRIES_ADD_UP = 7
"""A use that was tried again after the machine had stopped, and failed then, is in doubt: the first try may have had its effect."""

OUTAGES_SUSPEND = 8
"""`Waiting` says that a question is put again later, and what failed attempts used is booked. Records of earlier rules hold neither, so
no decision asks for this number."""

CUTS_ARE_TOLD = 9
"""A model is told that its reply was cut off, and a reply with very many requests is taken in part. This one goes by the tree."""

PLANS_BIND_REPEATS = 10
"""A use that was under way when the machine stopped is not tried again where a plan that was endorsed since does not allow it. It is in
doubt."""
