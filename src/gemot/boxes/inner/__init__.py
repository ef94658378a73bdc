"""What runs inside a box. These modules are there alone, compiled, on an interpreter without site packages: they import
nothing but each other, :mod:`gemot.boxes.framing` and a few modules that are quick to load, because a fresh box waits.
"""
