"""Work gets done: plans, runners with only what they need, questions, messages, and children that go wrong."""

from __future__ import annotations

from people import SCRIPTS, Person

from gemot.journal.records import decode
from gemot.kernel import Kernel


def test_three_notes_become_an_index_and_no_runner_reads_anothers_note(person: Person) -> None:
    person.files(one__md="Apples.\n", two__md="Pears.\n", three__md="Plums.\n")
    done = person.run("notes.py:model", "write index.md with a line for each note", "--program", "planner")
    assert done.out.strip() == "index.md is written"
    index = (person.work / "index.md").read_text().splitlines()
    assert index == ["- one.md: Apples.", "- two.md: Pears.", "- three.md: Plums."]
    planner, first, second = person.processes()
    assert (first["parent"], second["parent"]) == (planner["pid"], planner["pid"])
    refused = person.gemot("log", str(second["pid"])).out
    assert "not allowed" in refused and "three.md" in refused


def test_a_parent_gets_an_answer_from_every_child_however_it_ends(person: Person) -> None:
    done = person.run("trouble.py:parent", "delegate")
    assert sorted(done.out.strip().split(" | ")) == ["failed: deadline", "failed: failed", "failed: schema"]


def test_a_runaway_stays_inside_its_processes_and_its_bill_equals_the_journal(person: Person) -> None:
    budget = "processes=50,tokens=200000,seconds=600,depth=8"
    person.run("trouble.py:forker", "fork", "--budget", budget, code=None)
    kernel, most = Kernel(), 0
    for body in person.query("SELECT body FROM records ORDER BY position"):
        kernel.handle(decode(body))
        most = max(most, sum(process.alive for process in kernel.processes.values()))
    assert 10 < most <= 1 + 50
    assert not any(process.alive for process in kernel.processes.values())
    billed = sum(
        event["outcome"]["reply"].get("usage", {}).get("tokens_in", 0)
        + event["outcome"]["reply"].get("usage", {}).get("tokens_out", 0)
        for event in person.events()
        if event["type"] == "done" and event["outcome"]["type"] == "replied"
    )
    assert sum(one["spent"].get("tokens", 0) for one in person.processes()) == billed <= 200_000


def test_malformed_unknown_and_mistyped_requests_are_corrected_by_the_model(person: Person) -> None:
    person.files(a__txt="hello\n")
    assert person.run("trouble.py:garbage", "read a.txt").out.strip() == "malformed | unknown | malformed | ok"


def test_a_model_that_only_talks_fails_and_says_so(person: Person) -> None:
    assert "without calling exit" in person.run("trouble.py:silent", "do it", code=1).err


def test_a_spent_budget_ends_the_run_with_its_own_code(person: Person) -> None:
    done = person.run("trouble.py:spender", "for ever", "--budget", "tokens=3000", code=4)
    assert "tokens" in done.err


def test_overwriting_waits_for_a_person_and_goes_on_after_their_yes(person: Person) -> None:
    person.files(kept__txt="old\n")
    waiting = person.run("trouble.py:overwriter", "replace kept.txt", code=5)
    assert (person.work / "kept.txt").read_text() == "old\n"
    assert "gemot answer 1 yes" in waiting.err
    asks = person.gemot("asks").out
    assert "files/overwrite" in asks and "kept.txt" in asks
    person.gemot("answer", "1", "yes")
    assert (person.work / "kept.txt").read_text() == "old\n", "an answer alone must not start anything"
    assert person.gemot("resume", "-q").out.strip() == "replaced"
    assert (person.work / "kept.txt").read_text() == "new\n"


def test_a_refused_action_ends_with_the_code_for_refused(person: Person) -> None:
    person.files(kept__txt="old\n")
    done = person.run("trouble.py:overwriter", "replace kept.txt", "--asks", "no", code=3)
    assert "did not allow" in done.err
    assert (person.work / "kept.txt").read_text() == "old\n"


def test_a_question_to_the_person_is_answered_from_the_command_line(person: Person) -> None:
    person.run("trouble.py:asker", "paint it", code=5)
    wrong = person.gemot("answer", "1", "green", code=2)
    assert "red" in wrong.err and "blue" in wrong.err
    person.gemot("answer", "1", "blue")
    assert person.gemot("resume", "-q").out.strip() == "painted blue"


def test_a_person_changes_the_goal_from_a_second_terminal(person: Person) -> None:
    running = person.begin(
        "run", "wait", "-q", "--model", f"scripted:{SCRIPTS / 'trouble.py'}:listener", "--work", str(person.work)
    )
    person.until(lambda: "waiting" in person.gemot("ps", code=None).out)
    person.gemot("send", "1", "paint it green instead")
    out, err = running.communicate(timeout=60)
    assert running.returncode == 0, err
    assert out.strip() == "paint it green instead"


def test_kill_from_a_second_terminal_ends_the_run(person: Person) -> None:
    running = person.begin(
        "run", "wait", "--model", f"scripted:{SCRIPTS / 'trouble.py'}:listener", "--work", str(person.work)
    )
    person.until(lambda: "waiting" in person.gemot("ps", code=None).out)
    person.gemot("kill", "1")
    _, err = running.communicate(timeout=60)
    assert running.returncode != 0 and "stopped by the person" in err


def test_a_second_goal_on_a_busy_machine_is_done_by_the_running_one(person: Person) -> None:
    person.files(a__txt="hello\n")
    first = person.begin(
        "run", "wait", "-q", "--model", f"scripted:{SCRIPTS / 'trouble.py'}:listener", "--work", str(person.work)
    )
    person.until(lambda: "waiting" in person.gemot("ps", code=None).out)
    second = person.run("trouble.py:garbage", "read a.txt", "-q")
    assert second.out.strip().endswith("ok")
    person.gemot("send", "1", "thanks")
    assert first.communicate(timeout=60)[0].strip() == "thanks"


def test_a_detached_run_goes_on_without_its_terminal(person: Person) -> None:
    person.run("trouble.py:listener", "wait", "--detach")
    person.until(lambda: "waiting" in person.gemot("ps", code=None).out)
    person.gemot("send", "1", "done")
    person.until(lambda: [one["state"] for one in person.processes()] == ["done"])
