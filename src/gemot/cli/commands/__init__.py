"""The commands by group: their options, and what each does. What a command does is imported when it is typed, not before."""
