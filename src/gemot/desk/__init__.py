"""The eyes: the screen that people and processes share. Not built yet: the command line is how a person sees and steers."""
