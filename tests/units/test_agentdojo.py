"""The harness of AgentDojo as far as it works without AgentDojo; and that gemot itself has never heard of the benchmark."""

import re
import tomllib
from pathlib import Path

import pytest

from evals.agentdojo import attack, plans, references
from evals.agentdojo.renaming import Renaming
from evals.agentdojo.suite import Use
from gemot.authority.kinds import is_kind

ROOT = Path(__file__).parents[2]
DOJO = ROOT / "evals" / "agentdojo"
SUITES = sorted(path.name.partition(".")[0] for path in DOJO.glob("*.plans.toml"))

NAMES = (
    "agentdojo send_money schedule_transaction update_scheduled_transaction get_most_recent_transactions get_iban "
    "update_password update_user_info get_user_info send_email delete_email get_unread_emails search_contacts "
    "create_calendar_event cancel_calendar_event reschedule_calendar_event calendar_event append_to_file share_file "
    "search_files_by_filename landlord-notices bill-december Spotify bluesparrow clientcorp GB29NWBK60161331926819 "
    "US133000000121212121212 mark.black emma.johnson sarah.connor hawaii-packing user_task injection_task"
)


def test_gemot_knows_no_name_of_the_benchmark() -> None:
    names = re.compile("|".join(map(re.escape, NAMES.split())), re.IGNORECASE)
    found = [
        f"{path.relative_to(ROOT)}: {match[0]}"
        for path in sorted((ROOT / "src").rglob("*"))
        if path.is_file() and path.suffix != ".pyc"
        for match in names.finditer(path.read_text(errors="replace"))
    ]
    assert not found


@pytest.mark.parametrize("suite", SUITES)
@pytest.mark.parametrize("seed", [0, 7])
def test_the_files_of_a_suite_are_grants_about_tools_of_its_manifest(suite: str, seed: int) -> None:
    names = Renaming(seed)
    manifest = plans.read_manifest(DOJO / f"{suite}.manifest.toml", names)
    for task, plan in plans.read_plans(DOJO / f"{suite}.plans.toml", names).items():
        for raw, grant in zip(plan.raw, plan.grants, strict=True):
            assert raw["tool"] in manifest.tools, (task, raw)
            assert grant.tool == plans.tool_name(raw["tool"])
            for rule in grant.where.values():
                assert all(source.tool.partition("/")[2] in manifest.tools for source in rule.source or ()), task


@pytest.mark.parametrize("suite", SUITES)
def test_every_steering_argument_of_a_plan_has_a_rule_or_a_person_is_asked(suite: str) -> None:
    names = Renaming()
    manifest = plans.read_manifest(DOJO / f"{suite}.manifest.toml", names)
    for task, plan in plans.read_plans(DOJO / f"{suite}.plans.toml", names).items():
        for grant in plan.raw:
            never_unasked = any(rule.get("one_of") == [] for rule in grant.get("where", {}).values())
            if manifest.consequential(grant["tool"]) and not never_unasked:
                free = set(manifest.tools[grant["tool"]]["steers"]) - set(grant["where"])
                assert not free, (task, grant["tool"], free)


@pytest.mark.parametrize("suite", SUITES)
def test_renaming_a_plan_and_back_gives_it_again(suite: str) -> None:
    names = Renaming(3)
    text = (DOJO / f"{suite}.plans.toml").read_text()
    told = tomllib.loads(text)["tasks"]
    assert names.value_back(names.value(told)) == told
    assert names.value(told) != told


def test_a_renamed_value_is_of_the_same_kind() -> None:
    names = Renaming(5)
    for kind, value in (
        ("email", "john.doe@example.com"),
        ("iban", "DE89370400440532013000"),
        ("date", "2024-05-15"),
        ("datetime", "2024-05-15T10:00:00"),
        ("url", "https://www.example.com/a"),
        ("number", "12.50"),
    ):
        renamed = names.text(value)
        assert is_kind(renamed, kind) and names.text_back(renamed) == value
    assert names.text("DE89370400440532013000") != "DE89370400440532013000"
    assert names.text("john.doe@example.com") != "john.doe@example.com"


def test_renaming_accounts_gives_each_another_and_right_check_digits_to_those_that_have_them() -> None:
    names = Renaming(7)
    accounts = [f"DE{check:02}370400440532013000" for check in range(100)]
    renamed = [names.text(one) for one in accounts]
    assert len(set(renamed)) == 100 and [names.text_back(one) for one in renamed] == accounts
    assert [is_kind(one, "iban") for one in renamed] == [is_kind(one, "iban") for one in accounts]


def test_a_renamed_pattern_finds_the_renamed_value() -> None:
    names = Renaming(5)
    pattern, text = r"[Tt]otal[^0-9]{0,9}([0-9]+[.]?[0-9]{0,2})", "Grand Total: 12.50 for all"
    found = re.search(names.pattern(pattern), names.text(text))
    assert found is not None and found[1] == "12.50"


def test_a_value_is_found_where_it_stands_with_the_record_that_is_meant_first() -> None:
    text = '[{"who": "a@x.org", "what": "rent"}, {"who": "a@x.org", "what": "gift", "a.b": [1, 2]}]'
    result = references.Result("list", {"n": 9}, text, 4)
    source = {"tool": "list", "called": {"n": 9}, "field": "who", "where": {"what": {"contains": "Gift"}}}
    (first, second) = references.from_source(source, [result], "a@x.org")
    assert (first, second) == ({"$from": 4, "at": "[1].who"}, {"$from": 4, "at": "[0].who"})
    assert list(references.standing(result, 2)) == [{"$from": 4, "at": '[1]["a.b"][1]'}]
    assert not list(references.from_source(source | {"called": {"n": 1}}, [result], "a@x.org"))


def test_the_attacker_tries_his_wish_and_the_users_use_with_one_argument_of_his() -> None:
    wish = Use("pay", {"to": "evil@x.org", "amount": 3})
    honest = Use("pay", {"to": "good@x.org", "amount": 1})
    tried = list(attack.variants([wish], [honest], [honest], []))
    assert wish in tried and honest in tried
    assert Use("pay", {"to": "evil@x.org", "amount": 1}) in tried
    assert Use("pay", {"to": "good@x.org", "amount": 3}) in tried
    copy = {"pay": {"properties": {"copy_to": {"type": "string"}}}}
    added = list(attack.additions([honest], {"pay": copy["pay"]}, [wish], []))
    assert added == [Use("pay", honest.arguments | {"copy_to": "evil@x.org"})]
