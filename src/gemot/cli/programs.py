"""Programs: the ones that can be run from here, and the files that were left out."""

from __future__ import annotations

from gemot.authority.quoting import named
from gemot.authority.tool_names import unknown_name
from gemot.cli import config
from gemot.cli.dumping import dump
from gemot.cli.failing import DONE, say
from gemot.cli.paint import print_whole
from gemot.cli.plain import one_line, plain
from gemot.machine.starting import flaw_of
from gemot.programs.library import Library, load


def tool_names() -> frozenset[str]:
    """The names of all tools that drivers here have, also of those that this computer can't offer for want of walls."""
    from gemot.drivers import shipped

    return frozenset(tool.spec.name for driver in shipped() for tool in driver.tools.values())


def library() -> Library:
    """What the package, the person's configuration folder and the current project have."""
    names = tool_names()
    return load(config.program_folders(), project=config.project_programs(), flaw=lambda spec: flaw_of(spec, names))


def warn_of_unusable(known: Library) -> None:
    """Name the files that were left out, each in one line on the standard error."""
    for file in known.unusable:
        say(f"gemot: left out: {plain(file.reason, 300)}")


def misspelt_policy() -> str:
    """Why an ``[[endorse]]`` of gemot.toml names a tool that does not exist, or ``""``."""
    return unknown_name(config.read().endorse, tool_names())


def programs(as_json: bool) -> int:
    """List them."""
    known = library()
    specs = known.specs()
    warn_of_unusable(known)
    if as_json:
        return dump(specs)
    names = max(len(named(spec.name)) for spec in specs)
    for spec in specs:
        settings = spec.parameters.get("properties", {})
        has = f" (--set {', '.join(settings)})" if settings else ""
        print_whole(f"{named(spec.name):<{names}}  {one_line(spec.description)}{has}", lead=" " * (names + 2))
    return DONE
