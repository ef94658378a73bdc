"""Local servers that speak the providers' real wire formats, strictly: for contracts and for journeys."""

from wire.server import FORMATS, KINDS, Kind, Script, WireServer
from wire.speech import Speech

__all__ = ["FORMATS", "KINDS", "Kind", "Script", "Speech", "WireServer"]
