"""The walls: what confines a driver's process on this computer. Not built yet: tools run in the machine's own process."""
