"""Goal: what was typed after `gemot run`, checked and made into what a machine is asked to start."""

from __future__ import annotations

from collections.abc import Sequence

from gemot.abi.limits import PRIORITY
from gemot.authority.private import flaw
from gemot.authority.refusal import closest
from gemot.cli import config, options
from gemot.cli.failing import Usage
from gemot.cli.showing import must_be_meant
from gemot.machine.door import Start
from gemot.machine.machine import DEFAULT_BUDGET
from gemot.machine.starting import shows_untrusted
from gemot.programs.library import load


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
    images: Sequence[str] = (),
    shown: Sequence[str] = (),
) -> Start:
    """``models``: what was named after ``--model``. Raises :class:`Usage` for whatever can't be meant."""
    known = config.read()
    text = options.goal(goal)
    name = program or known.program or "solo"
    specs = {spec.name: spec for spec in load(config.program_folders(), project=config.project_programs()).specs()}
    if name not in specs:
        hint = closest(name, specs).removesuffix("?")
        raise Usage(f"there is no program {name!r}; {hint}. gemot programs lists them")
    seen = options.work(work)
    for pattern in shown:
        if flaw(pattern) or pattern.startswith("!"):
            raise Usage(f"--show: {flaw(pattern) or 'a path that is shown begins without !'}")
    must_be_meant(seen, known.files.private, shown)
    named = models or [_own_model(specs[name].model) or config.default_model(known)]
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
    )


def _own_model(name: str) -> str:
    """The model that a program's file names. A script is code, and a file that came with a folder can't have it run."""
    return "" if name.startswith("scripted") else name
