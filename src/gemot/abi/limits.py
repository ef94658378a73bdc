"""Every limit of the system in one place, each with its unit and its reason. Cross-checked at the end of the file."""

from __future__ import annotations

from typing import Final

INLINE_CHARS_MAX: Final = 8_000
"""A result longer than this (characters) becomes a handle: about 2,000 tokens, a fair price for one page."""

PREVIEW_CHARS: Final = 600
"""How much of a handle's value (characters) is shown in a reading: enough to know what it is."""

READ_CHARS_MAX: Final = 8_000
"""The most that one `read` of a handle returns (characters): the same as a page."""

TEXT_CHARS_MAX: Final = 200_000
"""The longest brief, message or exit value (characters): a syscall is not a way to move files."""

RESULT_CHARS_MAX: Final = 40_000
"""The longest result of a process, or message (characters): others must read it, and pay for it."""

MAILBOX_CHARS_MAX: Final = 80_000
"""The most characters in one mailbox: it is read all at once."""

FAILURE_CHARS_MAX: Final = 8_000
"""The longest text of a failure (characters): as much as a page."""

NESTING_MAX: Final = 64
"""How deeply a value that a program made may be nested: deeper than anybody means, less than any reader's stack."""

SCHEMA_BYTES_MAX: Final = 200_000
"""The longest JSON schema (bytes): the largest that servers in use have is a third of that."""

SCHEMA_PARTS_MAX: Final = 20_000
"""The most parts of a JSON schema with its references followed: more is a way to stop whoever checks."""

SCHEMA_STEPS_MAX: Final = 1_000_000
"""The most checks that one value may ask for by a schema that refers to itself: about 10 ms."""

SCHEMA_STEPS_EXPLAINED: Final = 2_000
"""The most checks whose outcome is put into words: the validator copies the value for each alternative."""

SCHEMA_WORDS_MAX: Final = 160
"""How much of a validator's own message (characters) is passed on."""

SCHEMAS_KEPT: Final = 1_024
"""Compiled schemas that are kept; others are compiled again, which takes 0.03 ms."""

PATTERN_BYTES_MAX: Final = 300_000
"""The most memory (bytes) that one compiled pattern of a schema takes: its time per character grows with that."""

PATTERN_BACKTRACKS_MAX: Final = 10_000
"""How often a pattern that looks around or back may try again at one place of a text."""

PATTERN_TEXT_CHARS: Final = 10_000
"""The longest text that a costly pattern of a schema is compared with (characters): at worst it takes half a second."""

DEPTH_MAX: Final = 64
"""The most generations below a tree's first process, whatever its budget."""

BOARD_CHARS: Final = 1_000
"""How much of a task's result (characters) is shown where the whole board is."""

BOARD_PAGE_CHARS: Final = 16_000
"""How much of a board (characters) is shown at once: two pages, so that a long board is not paid for whole."""

BATCH_MAX: Final = 64
"""The most tool uses in one `call`: a batch is answered as a whole, so it must end in sensible time."""

CHILDREN_MAX: Final = 100_000
"""The most children of one process, living or ended: its table must fit memory."""

MAILBOX_MAX: Final = 1_000
"""The most undelivered messages of one process: a sender is refused after that, so nobody floods anybody."""

ALARMS_MAX: Final = 1_000
"""The most alarms that one process has set."""

TIMES_CHARS_MAX: Final = 200
"""The longest `at`, `every` or `zone` of an alarm (characters): more than any that means something."""

ALARM_EVERY_SECONDS_MIN: Final = 1
"""The shortest interval of an alarm: each ring is an event that is written down."""

ALARM_AHEAD_MILLIS_MAX: Final = 10**12
"""An alarm further ahead, in more than 31 years, is a mistake."""

ALARM_LATE_MILLIS: Final = 60_000
"""A firing is missed when it could not ring until this much later: a restart takes seconds, a night takes hours."""

MISSED_RINGS_MAX: Final = 100
"""The most firings of one alarm that lie in a mailbox, one by one: whoever wakes after years needs no more."""

MISSED_COUNTED_MAX: Final = 10_000
"""So many missed firings of an alarm at times of a calendar are counted."""

PROGRESS_CHARS_MAX: Final = 200
"""The longest progress note (characters): it stands in one line beside others."""

NAME_CHARS_MAX: Final = 120
"""The longest name of a process (characters): it must fit a line."""

ASKS_OPEN_MAX: Final = 100
"""The most questions that one tree has open: more is a way to tire a person until they say yes."""

ASKED_TOGETHER_MAX: Final = 10
"""How many uses of one call a person is asked about in one question: of more, nobody looks at each."""

PLAN_STEPS_MAX: Final = 32
"""The most steps of a plan that a person is to endorse in one look."""

EXIT_TRIES_MAX: Final = 3
"""How often a child may exit with a value that does not fit what its parent wanted, before it has failed."""

SHARE_OF_PARENT: Final = 8
"""A child whose budget is not named gets one part in this many of what its parent has left."""

RESERVE_SHARE: Final = 8
"""A process from which its descendants draw keeps one part in this many of what it was given, to end its own work."""

CHILD_TOKENS_MIN: Final = 2_000
"""An AI child that could not get so many tokens is not started: its first question alone is about as long."""

CHILD_MILLIS_MIN: Final = 10_000
"""An AI child that could not get so much time (milliseconds) is not started: one model call may take as long."""

WORK_MILLIS: Final = 120_000
"""A process that draws on a purse gets so much time (milliseconds) for a model call or a batch of tool uses, if there is as much."""

WORK_SHARE: Final = 4
"""And at most one part in this many of what the purse can give, so that siblings can begin."""

PRIORITY_MIN: Final = 1
PRIORITY_MAX: Final = 9
PRIORITY: Final = 5
"""How urgent a process's model calls are among those of its tree, from last to first, and what a person's goal has."""

CHARS_PER_TOKEN: Final = 3
"""English has about four characters a token, JSON and other languages fewer: three errs on the safe side."""

IMAGE_PIXELS_PER_TOKEN: Final = 750
"""What providers count for an image: roughly this many of its pixels a token."""

IMAGE_TOKENS_MAX: Final = 1_600
"""And not more than this: they show a model a large image smaller."""

IMAGES_MAX: Final = 8
"""Images in one result or message."""

IMAGES_SHOWN_MAX: Final = 40
"""Images of a reading that a model is shown; older ones are spoken of."""

IMAGES_SHOWN_BYTES_MAX: Final = 14_000_000
"""And how long those are together: in base64 what the strictest provider takes in one request, 20 MB, with room for the rest."""

IMAGE_BYTES_MAX: Final = 3_750_000
"""The largest image; in base64 that is the 5 MB which the strictest provider takes."""

IMAGES_BYTES_MAX: Final = IMAGES_SHOWN_BYTES_MAX // 2
"""All images of one result or message together: so the newest are always shown."""

IMAGE_PIXELS_MAX: Final = 8_000
"""The widest and the highest one, in pixels; likewise."""

LOOP_TOLD: Final = 5
"""A process that makes the same requests with the same results so often in a row (turns) is told: three times may be care."""

LOOP_REPORTED: Final = 8
"""And so often (turns): its parent, or the person, is told, who can still send it a correction."""

LOOP_ENDED: Final = 12
"""And so often (turns): it is ended. With a small reading that is less than a twentieth of the default budget."""

LOOP_NATIVE_FACTOR: Final = 8
"""A native program is told, reported and ended after so many times as many: its repetitions cost little, and code may mean them."""

LOOP_PRINTS: Final = 256
"""How many outcomes of a process are remembered to notice a loop: two turns of the largest batch, 2 kB."""

LOOP_CYCLE_MAX: Final = 8
"""How many different requests of a native program's row are known again."""

LOOP_PAUSE_SECONDS: Final = 30
"""A `wait` or `receive` of a model that took so long (seconds) is no repetition: whoever watches something may look twice a minute."""

LOOP_PAUSE_NATIVE_SECONDS: Final = 1
"""The same (seconds) of a native program, whose looks cost no tokens."""

REPLY_SHARE: Final = 8
"""One part in this many of a model's window is kept free for its reply."""

STUBS_SHARE: Final = 6
"""What says which pages are paged out takes at most one part in this many of what a reading may have."""

STUBS_CHARS: Final = 4_000
"""The same (characters) where the window is not known yet."""

PAGE_IN_SHARE: Final = 3
"""What is paged in at once takes at most one part in this many of what a reading may have."""

PAGE_IN_CHARS: Final = 8_000
"""The same (characters) where the window is not known yet: a page."""

SUMMARY_SECONDS: Final = 300
"""How long a process waits for the summary of what leaves its reading: it hears nobody meanwhile, and can do without."""

JUDGE_SECONDS: Final = 3_600
"""How long a reviewer, or whoever does a task again, may take to come to a verdict; what is not judged by then is not accepted."""

TOKENS_OUT_MIN: Final = 16
"""A model call that could not even answer this many tokens is refused before it costs anything."""

TASKS_MAX: Final = 1_000
"""The most tasks on one tree's board."""

TASK_CHARS_MAX: Final = 2_000
"""The longest task with its acceptance (characters): a page of the board shows several."""

TASK_PRIORITY_MAX: Final = 1_000
"""The highest priority of a task, and the lowest with a minus: more would say nothing more."""

LEASE_SECONDS: Final = 1_800.0
"""How long (seconds) a claimed task stays with who claimed it, if they don't say: longer than most tasks take."""

LEASE_SECONDS_MIN: Final = 1.0
"""The shortest lease (seconds): nobody does anything in less."""

LEASE_SECONDS_MAX: Final = 7 * 86_400.0
"""The longest lease (seconds): a week, after which somebody who is silent has forgotten it."""

REJECTIONS_MAX: Final = 3
"""How often a task is sent back before only a person can open it again: more would be more of the same."""

NOTE_CHARS_MAX: Final = 2_000
"""The longest reason for a kill or note of an alarm (characters): it is told, not stored."""

DEFAULT_TOKENS: Final = 1_000_000
"""What a tree gets when the person names no number: a long day's work for one agent."""

DEFAULT_USD_MICROS: Final = 2_000_000
"""Two dollars: enough for most work, too little for a bad night."""

DEFAULT_MILLIS: Final = 3_600_000
"""One hour of models and tools at work."""

DEFAULT_PROCESSES: Final = 64
"""Descendants alive at once."""

DEFAULT_DEPTH: Final = 6
"""Generations below the first process."""

DEFAULT_CALLS: Final = 100_000
"""Syscalls of the whole tree: ends what never stops and costs nothing else."""

DOCUMENT_CHARS_MAX: Final = 200_000
"""The longest result (characters) of which the kernel can select a value: longer ones are passed on as a whole only."""

DOCUMENTS_CHARS_MAX: Final = 4_000_000
"""How much of such results (characters) one process holds; beyond that the oldest can be passed on as a whole only."""

VALUE_CHARS_MAX: Final = 2_000_000
"""The longest value (characters) that a tool use may refer to: longer ones can't be judged and shown as a whole."""

VALUES_CHARS_MAX: Final = 2_000_000
"""The most text (characters) that the references of one call put into its arguments, each counted as often as it is put in."""

ASKS_CHARS_MAX: Final = 4_000_000
"""The most text (characters) in the open questions of one tree: every list of questions shows all of it."""

RULE_CHARS_MAX: Final = 4_000
"""The longest text (characters) that is looked at to find out which kind of value it is."""

LINE_CHARS_MAX: Final = 1_000
"""The longest line (characters) in which a pattern is looked for: the work grows with its square."""

PATTERN_STEPS_MAX: Final = 20_000_000
"""The most steps (squares of lines) that one pattern may take in one text: a tenth of a second."""

GRANTS_MAX: Final = 1_000
"""The most grants that one process holds: each is looked at for each use."""

ORIGINS_MAX: Final = 32
"""The most origins that a label names: enough to see where a value came from, little enough to be kept everywhere."""

COPY_FILES_MAX: Final = 50_000
"""The most files and folders that are copied for one process: more take longer than the minute that a tool use may take."""

COPY_BYTES_MAX: Final = 2 << 30
"""The most bytes that are copied for one process: ten seconds of a plain disk, and somebody has to pay for the room."""

COPY_ENTRIES_SEEN_MAX: Final = 4 * COPY_FILES_MAX
"""The most files and folders of a copy that are compared at once: whoever has a copy may fill it; a part of it can be named."""

RECEIPT_USES_MAX: Final = 64
"""The most uses that a receipt lists: a page of lines; what came before is counted."""

CHANGES_MAX: Final = 100
"""The most changed files that a receipt lists."""

DIFF_CHARS_MAX: Final = 1_000_000
"""The most text of what changed that is kept."""

DIFF_CHARS_SHOWN: Final = 12_000
"""How much of it a reviewer is shown; about 4,000 tokens."""

COMPARE_MILLIS: Final = 120_000
"""The longest look at what changed in copies."""

RECEIPT_CHARS: Final = 1_000
"""How much of a use's arguments (characters) a receipt shows: of longer ones the beginning and the end."""

RETURNS_TOLD_CHARS: Final = 2_000
"""How long a schema of results (characters) may be for `exit` to say it to a model at every turn; a longer one is told with
the error only."""

CHECKS_MAX: Final = 8
"""The most checks of one review."""

TRIES_MAX: Final = 20
"""The most times that a result can be rejected."""

JUDGES_MAX: Final = 16
"""The most processes that do the same task to see whether they agree."""

CLAIMS_MAX: Final = 20
"""The most claims of one result."""

MEMORY_CHARS_MAX: Final = 2_000
"""The longest memory (characters): it is a fact that stands by itself; what is longer belongs in a file."""

MEMORY_ABOUT_CHARS_MAX: Final = 200
"""The longest note of what a memory is about (characters): a line."""

MEMORY_QUERY_CHARS_MAX: Final = 1_000
"""The longest query for memories (characters)."""

MEMORY_WORDS_MAX: Final = 32
"""The most words of a query that are looked for: each costs a look into the index."""

RECALL_MAX: Final = 20
"""The most memories that one `recall` answers."""

RECALL_CHARS_MAX: Final = 8_000
"""The most characters of memories in one answer: the same as a page. What is beyond is left out, the best stays."""

MEMORIES_MAX: Final = 200_000
"""The most memories on one shelf: a process that remembers for ever fills neither the disk nor the search."""

assert MEMORY_CHARS_MAX + MEMORY_ABOUT_CHARS_MAX <= RECALL_CHARS_MAX <= INLINE_CHARS_MAX
assert PREVIEW_CHARS < INLINE_CHARS_MAX <= TEXT_CHARS_MAX
assert READ_CHARS_MAX <= INLINE_CHARS_MAX <= DOCUMENT_CHARS_MAX <= DOCUMENTS_CHARS_MAX
assert DOCUMENT_CHARS_MAX <= VALUE_CHARS_MAX <= VALUES_CHARS_MAX <= ASKS_CHARS_MAX
assert PRIORITY_MIN <= PRIORITY <= PRIORITY_MAX
assert 1 < LOOP_TOLD < LOOP_REPORTED < LOOP_ENDED
assert 2 * 2 * BATCH_MAX <= LOOP_PRINTS
assert LEASE_SECONDS_MIN < LEASE_SECONDS < LEASE_SECONDS_MAX
assert BOARD_CHARS + TASK_CHARS_MAX < BOARD_PAGE_CHARS
