"""The words: syscalls, events, effects, answers, grants, labels, messages, limits. Frozen data, no behaviour."""
