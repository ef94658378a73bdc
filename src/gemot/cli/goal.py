"""Goal: what was typed after `gemot run`, checked and made into what a machine is asked to start."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from gemot.abi.grants import Grant
from gemot.abi.limits import PRIORITY
from gemot.abi.programs import ProgramSpec
from gemot.authority.narrowing import covers
from gemot.authority.private import flaw
from gemot.authority.refusal import closest
from gemot.cli import config, options, programs
from gemot.cli.failing import Usage, say
from gemot.cli.plain import one_line
from gemot.cli.showing import must_be_meant
from gemot.machine.machine import DEFAULT_BUDGET
from gemot.machine.starting import shows_untrusted
from gemot.machine.wishes import Start


def prepared(
    goal: str | None,
    program: str | None,
    models: Sequence[str],
    also_models: Sequence[str],
    work: str | None,
    budget: str,
    settings: Sequence[str],
    checks: Sequence[str] = (),
    reviews: Sequence[str] = (),
    priority: int = PRIORITY,
    grants: Sequence[str] = (),
    label: str = "",
    images: Sequence[str] = (),
    shown: Sequence[str] = (),
    quiet: bool = False,
) -> Start:
    """``models``: what was named after ``--model``. ``quiet``: say nothing beside the result. Raises :class:`Usage` for
    whatever can't be meant."""
    known = config.read()
    text = options.goal(goal)
    name = program or known.program or "solo"
    library = programs.library()
    specs = {spec.name: spec for spec in library.specs()}
    if not quiet:
        programs.warn_of_unusable(library)
    why_not = library.why_not(name)
    if why_not:
        raise Usage(f"the program {name} can't be used: {why_not}")
    if name not in specs:
        hint = closest(name, specs).removesuffix("?")
        raise Usage(f"there is no program {name!r}; {hint}. gemot programs lists them")
    seen = options.work(work)
    for pattern in shown:
        if flaw(pattern) or pattern.startswith("!"):
            raise Usage(f"--show: {flaw(pattern) or 'a path that is shown begins without !'}")
    must_be_meant(seen, known.files.private, shown)
    named = models or [_own_model(specs[name].model) or config.default_model(known)]
    suggested = library.texts[name].suggested_model if name in library.texts else ""
    if suggested and not models and not quiet:
        say(
            f"gemot: the program {name} came with this folder, so the model that it names is not used "
            f"({one_line(suggested, 80)}); --model names one"
        )
    chosen, *rest = options.way(named, known.route)
    for one in (chosen, *rest):
        options.can_be_kept(budget, one)
    return Start(
        text,
        program=name,
        model=chosen,
        route=tuple(rest),
        priority=priority,
        models=tuple(options.model_name(one) for one in also_models),
        work=seen.folder,
        mode=seen.mode,
        untrusted=seen.untrusted or shows_untrusted(seen.folder, known.files.untrusted),
        shown=tuple(shown),
        private=known.files.private,
        budget=options.budget(budget, known.budget, DEFAULT_BUDGET),
        arguments=options.arguments(settings, specs[name]),
        policy=known.endorse,
        review=options.review(checks, reviews),
        images=options.images(images),
        grants=_within(specs[name], grants),
        name=label,
    )


def _within(spec: ProgramSpec, names: Sequence[str]) -> tuple[Grant, ...] | None:
    """The program's grants for these tools only; None where none is named. Raises :class:`Usage` for a tool that the
    program does not ask for: its prompt would not speak of it."""
    if not names:
        return None
    chosen: list[Grant] = []
    for name in names:
        held = [grant for grant in spec.grants if covers(name, grant.tool) or covers(grant.tool, name)]
        if not held:
            asked = ", ".join(dict.fromkeys(grant.tool for grant in spec.grants)) or "nothing"
            raise Usage(f"--grant {name}: the program {spec.name} does not ask for it; it asks for: {asked}")
        chosen += [grant if covers(name, grant.tool) else replace(grant, tool=name) for grant in held]
    return tuple(grant for place, grant in enumerate(chosen) if grant not in chosen[:place])


def _own_model(name: str) -> str:
    """The model that a program's file names. A script is code, and a file that came with a folder can't have it run."""
    return "" if name.startswith("scripted") else name
