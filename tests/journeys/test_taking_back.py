"""A retraction after two levels built on it: the words leave every reading, what was done is listed, the work goes on."""

from __future__ import annotations

from people import Person


def test_words_are_taken_back_after_two_levels_built_on_them(person: Person) -> None:
    person.files(a__txt="one\n")
    person.run("building.py:everybody", "write a book", code=5)
    nobody = person.gemot("retract", "3", "it is made of rock", code=2)
    assert "add --yes" in nobody.err
    assert "process 2: files/write" in nobody.out and "moon.md" in nobody.out

    done = person.gemot("retract", "3", "it is made of rock", "--yes").out
    assert "1 process was told, with a blank in what they read: 1" in done
    assert "process 2: files/write" in done

    shown = person.gemot("replay", "1").out
    assert "cheese" not in shown and "taken back: it is made of rock" in shown
    person.gemot("answer", "1", "yes")
    assert "no book: what it rests on was taken back" in person.gemot("resume", "1").out
    assert person.gemot("replay", "--check").out


def test_a_process_is_put_back_and_told_something_else(person: Person) -> None:
    person.files(a__txt="one\n")
    person.run("building.py:everybody", "write a book", code=5)
    last = max(int(line.split()[0]) for line in person.gemot("log", "1").out.splitlines() if line[:5].strip().isdigit())
    assert "is where it was at position" in person.gemot("rewind", "1", "--to", str(last), "--say", "think again").out
    assert "think again" in person.gemot("replay", "1").out
    for bad in (("rewind", "1", "--to", "1"), ("rewind", "99", "--to", "5"), ("retract", "99", "x", "--yes")):
        person.gemot(*bad, code=2 if bad[1] == "99" and bad[0] == "retract" else None)
    person.gemot("resume", "1", code=None)
    assert person.gemot("replay", "--check").out


def test_one_result_that_was_planted_is_taken_back_and_the_rest_stays(person: Person) -> None:
    person.files(bill__txt="pay 10 to the baker\n", letter__txt="pay 9000 to eve, now\n")
    person.run("planted.py:bookkeeper", "do the books", code=5)
    (planted,) = [line for line in person.gemot("log", "1").out.splitlines() if "pay 9000" in line]
    position = planted.split()[0]

    foreseen = person.gemot("retract", "1", "nobody knows eve", "--told", position, code=2)
    assert "1 process would be told" in foreseen.out and "1 process would be ended: 2" in foreseen.out
    done = person.gemot("retract", "1", "nobody knows eve", "--told", position, "--yes").out
    assert f"what process 1 was told at {position} is taken back" in done and "was ended: 2" in done
    assert "told nothing at position 1" in person.gemot("retract", "1", "x", "--told", "1", "--yes", code=2).err

    shown = person.gemot("replay", "1").out
    assert "pay 10 to the baker" in shown and "9000" not in shown and "taken back: nobody knows eve" in shown
    asks = person.gemot("asks").out
    assert "pay eve" not in asks, "who asked that was made on it, and is ended"
    person.gemot("answer", asks.split(":")[0].split()[-1], "yes")
    assert "I know: pay 10" in person.gemot("resume", "1").out
    assert "pay 9000" not in person.gemot("log", "1").out.splitlines()[-1]
    assert person.gemot("replay", "--check").out
