"""The memory: append, fence, read. SQLite by default; one contract for every store."""

from gemot.journal.contract import Damaged, DiskFailed, Fenced, Full, Journal, JournalError, Record, TooNew

__all__ = ["Damaged", "DiskFailed", "Fenced", "Full", "Journal", "JournalError", "Record", "TooNew"]
