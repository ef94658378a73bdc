"""The board: the tasks of a tree as a table of their own, which knows no process. The moves that processes and people make are
:mod:`gemot.kernel.moves`."""
