"""What is typed after --budget, --work, --set means what it says, or is refused in words."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gemot.abi.answers import Outcome
from gemot.abi.effects import Asked
from gemot.abi.grants import Budget
from gemot.abi.programs import ProgramSpec
from gemot.cli import asking, config, options
from gemot.cli.failing import Usage
from gemot.cli.options import Work
from gemot.cli.run import exit_code, hint
from gemot.machine.machine import DEFAULT_BUDGET
from gemot.machine.wishes import Answer
from gemot.models.catalogue import Limits

SPEC = ProgramSpec(
    "p",
    "",
    "native",
    "",
    parameters={
        "properties": {
            "n": {"type": "integer"},
            "deep": {"type": "boolean"},
            "labels": {"type": "array", "items": {"type": "string"}},
            "share": {"anyOf": [{"type": "number"}, {"type": "null"}]},
        }
    },
)


def test_budget_goes_over_the_table_and_the_defaults() -> None:
    found = options.budget("tokens=5_000,usd=0.5,seconds=1.5", config.BudgetTable(processes=3, usd=9), DEFAULT_BUDGET)
    assert found == Budget(5000, 500_000, 1500, 3, DEFAULT_BUDGET.depth, DEFAULT_BUDGET.calls)


@pytest.mark.parametrize("text", ["token=5", "tokens=x", "tokens", "usd=-1", "usd=nan", "seconds=inf"])
def test_budget_that_means_nothing_is_refused(text: str) -> None:
    with pytest.raises(Usage, match="--budget"):
        options.budget(text, config.BudgetTable(), DEFAULT_BUDGET)


def test_settings_have_the_types_of_the_program() -> None:
    typed = ["n=3", "deep=yes", "labels=good, bad", "share=0.5"]
    assert options.arguments(typed, SPEC) == {"n": 3, "deep": True, "labels": ["good", "bad"], "share": 0.5}


@pytest.mark.parametrize("text", ["n=two", "m=1", "n", "deep=perhaps", "share=much"])
def test_setting_that_does_not_fit_is_refused(text: str) -> None:
    with pytest.raises(Usage):
        options.arguments([text], SPEC)


def test_work_is_to_read_only_unless_it_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a").mkdir()
    here = str(tmp_path / "a")
    assert options.work(None) == Work(str(tmp_path), "ro", named=False)
    assert options.work("a") == options.work("a:rw") == Work(here, "rw")
    assert options.work("a:ro") == Work(here, "ro")
    assert options.work("a:ro,untrusted") == options.work("a:untrusted,ro") == Work(here, "ro", untrusted=True)
    assert options.work("a:untrusted") == Work(here, "rw", untrusted=True)
    with pytest.raises(Usage, match="no such folder"):
        options.work("b")
    (tmp_path / "a" / "notes.txt").write_text("a file")
    with pytest.raises(Usage, match="that is a file"):
        options.work("a/notes.txt")
    with pytest.raises(Usage, match=":ro, :rw or :cow, and perhaps ,untrusted; not :rx"):
        options.work("a:rx")
    for empty in ("", "  "):
        with pytest.raises(Usage, match="names no folder"):
            options.work(empty)
    for twice in ("a:ro,rw", "a:ro,ro", "a:untrusted,untrusted"):
        with pytest.raises(Usage, match="each once"):
            options.work(twice)


def test_a_work_folder_whose_name_ends_like_a_mode_is_that_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "x:ro").mkdir()
    assert options.work("x:ro") == Work(str(tmp_path / "x:ro"), "rw")
    assert options.work("x:ro:cow") == Work(str(tmp_path / "x:ro"), "cow")
    (tmp_path / "x").mkdir()
    with pytest.raises(Usage, match="x:ro:rw"):
        options.work("x:ro")
    assert options.work("x/:ro") == Work(str(tmp_path / "x"), "ro")


def test_configuration_with_an_unknown_key_names_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GEMOT_CONFIG", str(tmp_path))
    (tmp_path / "gemot.toml").write_text('model = "hand:http://localhost:1"\n[budget]\nusd = 0.1\n')
    assert config.read().model == "hand:http://localhost:1"
    (tmp_path / "gemot.toml").write_text("modle = 'x'\n")
    with pytest.raises(Usage, match=r"gemot\.toml.*modle"):
        config.read()


def test_models_named_one_after_the_other_are_a_route_and_a_route_has_a_name() -> None:
    routes = [
        config.RouteTable("cheap-first", ("openai:small", "anthropic:large")),
        config.RouteTable("home", ("embedded",)),
    ]
    assert options.way(["embedded"], []) == ("embedded",)
    assert options.way(["a:1", "b:2", "a:1"], routes) == ("a:1", "b:2")
    assert options.way(["route:cheap-first"], routes) == ("openai:small", "anthropic:large")
    assert options.way(["embedded", "route:cheap-first"], routes) == ("embedded", "openai:small", "anthropic:large")
    with pytest.raises(Usage, match="did you mean cheap-first"):
        options.way(["route:cheap_first"], routes)
    with pytest.raises(Usage, match=r"no \[\[route\]\]"):
        options.way(["route:x"], [])


def test_configuration_holds_routes_and_the_limits_of_providers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GEMOT_CONFIG", str(tmp_path))
    (tmp_path / "gemot.toml").write_text(
        '[[route]]\nname = "r"\nmodels = ["openai:a", "embedded"]\n[provider.openai]\nconcurrency = 8\nusd_per_day = 5\n'
    )
    found = config.read()
    assert found.route == (config.RouteTable("r", ("openai:a", "embedded")),)
    assert found.provider == {"openai": Limits(concurrency=8, usd_per_day=5.0)}


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("[provider.opnai]\nconcurrency = 8", "did you mean openai"),
        ("[provider.openai]\nconcurrency = 0", "concurrency"),
        ("[provider.openai]\nconcurency = 8", "concurency"),
        ("[provider.openai]\nusd_per_day = -1", "usd_per_day"),
        ("[provider.openai]\nusd_per_day = nan", "usd_per_day"),
        ("[provider.openai]\nusd_per_day = inf", "usd_per_day"),
        ("[provider.openai]\nrequests_per_minute = 1.5", "requests_per_minute"),
        ('[[route]]\nname = "r"\nmodels = []', "models"),
        ('[[route]]\nname = "r"', "models"),
    ],
)
def test_a_limit_or_route_that_means_nothing_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, why: str
) -> None:
    monkeypatch.setenv("GEMOT_CONFIG", str(tmp_path))
    (tmp_path / "gemot.toml").write_text(text)
    with pytest.raises(Usage, match=rf"gemot\.toml.*{why}"):
        config.read()


ACTION = Asked(7, 1, "?", ("yes", "no"), "files/overwrite", {"path": "a"})


@pytest.mark.parametrize(
    ("typed", "answer"),
    [
        ("", Answer(7, False)),
        ("n not now", Answer(7, False, "not now")),
        ("Y", Answer(7, True)),
        ("a", Answer(7, True, scope="process")),
        ("t", Answer(7, True, scope="subtree")),
        ("yes please", None),
        ("ok", None),
    ],
)
def test_nothing_but_a_clear_yes_allows_an_action(typed: str, answer: Answer | None) -> None:
    assert asking.understood(ACTION, typed) == answer


def test_a_question_with_options_takes_one_of_them() -> None:
    question = Asked(7, 1, "Which?", ("red", "blue"))
    assert asking.understood(question, "2") == Answer(7, True, "blue")
    assert asking.understood(question, "red") == Answer(7, True, "red")
    assert asking.understood(question, "") is None and asking.understood(question, "3") is None


def test_a_hint_names_what_would_bring_a_person_further() -> None:
    assert "--budget" in hint(Outcome(1, "x", "failed", rule="budget"), "embedded")
    assert "--model" in hint(Outcome(1, "x", "failed", rule="failed"), "embedded")
    assert hint(Outcome(1, "x", "failed", rule="failed"), "openai:gpt-5-mini") == ""


@pytest.mark.parametrize(
    ("state", "rule", "code"),
    [
        ("done", "", 0),
        ("failed", "failed", 1),
        ("killed", "refused", 3),
        ("failed", "grant", 3),
        ("failed", "budget", 4),
    ],
)
def test_exit_code_says_how_it_ended(state: Any, rule: str, code: int) -> None:
    assert exit_code(Outcome(1, "x", state, rule=rule)) == code
