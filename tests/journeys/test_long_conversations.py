"""A conversation that is longer than its model's window goes on, and its log says which pages it was shown."""

from __future__ import annotations

import re

from people import Person


def test_a_long_conversation_pages_and_its_log_and_replay_tell_of_it(person: Person) -> None:
    done = person.run("counting.py:counts", "count", "--budget", "tokens=2000000")
    assert done.out.strip() == "calculator/evaluate: 4", "the eighth page, exactly"
    assert re.search(r"\| page_out 3-\d+\n", done.err) and "| page_in 8\n" in done.err
    log = person.gemot("log", "1").out
    assert re.search(r"^ +\d+ \d\d:\d\d:\d\d +1-2 solo on", log), "the numbers of its pages stand beside what they say"
    assert re.search(r"\n +\d+ \d\d:\d\d:\d\d +8 4\n", log)
    assert "the question takes about" in log and re.search(r"\n +\d+ \d\d:\d\d:\d\d +page_out 3-\d+\n", log)
    assert re.search(r"of its pages 1 to \d+ these are paged out: 3-\d+\n", log)
    assert '"type":"did"' in person.gemot("log", "1", "--json").out
    assert "every decision comes out the same" in person.gemot("replay", "--check").out


def test_the_person_says_how_much_a_model_takes_in(person: Person) -> None:
    config = person.folder / "config" / "gemot"
    config.mkdir(parents=True)
    model = "bestiary:never_stops"
    (config / "gemot.toml").write_text(f'[windows]\n"{model}" = 256\n')
    done = person.gemot("run", "go on", "--model", model, "--budget", "calls=200", code=1)
    assert "failed (window)" in done.err and "takes in 256" in done.err
    (config / "gemot.toml").write_text(f'[windows]\n"{model}" = "many"\n')
    assert "gemot.toml: Expected `int`" in person.gemot("run", "go on", "--model", model, code=2).err
