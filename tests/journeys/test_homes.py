"""A machine's home is opened without following links, and only if it is its owner's: a folder may have come from anywhere."""

from __future__ import annotations

import asyncio
import os
import tempfile
from pathlib import Path

import pytest
from people import SCRIPTS, Person

from gemot import Machine
from gemot.machine.home import Home, HomeError

SAYS = ("run", "x", "--model", f"scripted:{SCRIPTS / 'stepping.py'}:steps")
NAMES = ("lock", "journal.db", "journal.db-wal", "memories.sqlite", "machine.log")


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("kind", ["symbolic", "hard", "dangling"])
def test_a_file_of_the_home_that_is_a_link_is_refused_and_its_target_is_untouched(
    person: Person, name: str, kind: str
) -> None:
    victim = person.folder / "victim"
    if kind != "dangling":
        victim.write_text("precious")
    person.home.mkdir()
    if kind == "hard":
        (person.home / name).hardlink_to(victim)
    else:
        (person.home / name).symlink_to(victim)
    for words in (("run", "[]", "--work", ".:ro", *SAYS[2:]), ("ps",), ("kill", "1"), ("resume",)):
        done = person.gemot(*words, code=1)
        assert name in done.err and "link" in done.err, done
    assert victim.read_text() == "precious" if kind != "dangling" else not victim.exists()


@pytest.mark.parametrize("name", ["spaces", "door", ""])
def test_a_folder_or_socket_of_the_home_that_is_a_link_is_refused(person: Person, name: str) -> None:
    elsewhere = person.folder / "elsewhere"
    elsewhere.mkdir()
    if name:
        person.home.mkdir()
    (person.home / name if name else person.home).symlink_to(elsewhere)
    done = person.gemot("ps", code=1)
    assert "is a link" in done.err and "--home" in done.err
    assert not list(elsewhere.iterdir())


@pytest.mark.skipif(os.geteuid() != 0, reason="needs another user")
@pytest.mark.parametrize("name", ["", "journal.db", "lock", "spaces"])
def test_a_home_of_another_user_is_refused(person: Person, name: str) -> None:
    person.gemot("ps")
    (person.home / "spaces").mkdir(exist_ok=True)
    for file in ("journal.db", "lock"):
        (person.home / file).touch()
    os.chown(person.home / name, 65534, 65534)
    assert "belongs to another user" in person.gemot("ps", code=1).err


@pytest.mark.skipif(os.geteuid() != 0, reason="needs another user")
def test_an_ordinary_user_can_not_be_led_into_a_home_of_root() -> None:
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        planted = Path(folder) / "home"
        Home(planted)
        os.chmod(planted, 0o755)
        pid = os.fork()
        if not pid:
            os.setgid(65534)
            os.setuid(65534)
            try:
                Home(planted)
            except HomeError as error:
                os._exit(7 if "another user" in str(error) else 8)
            os._exit(9)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 7


@pytest.mark.parametrize(("name", "mode"), [("", 0o777), ("", 0o770), ("journal.db", 0o666), ("lock", 0o622)])
def test_a_home_that_others_can_write_is_refused_and_the_words_say_what_helps(
    person: Person, name: str, mode: int
) -> None:
    person.run("stepping.py:steps", "[]")
    place = person.home / name
    mine = place.stat().st_mode
    place.chmod(mode)
    done = person.gemot("ps", code=1)
    assert "can be written by others" in done.err and "chmod go-w" in done.err
    place.chmod(mine)
    person.gemot("ps")


def test_the_library_refuses_it_too(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious")
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "lock").symlink_to(victim)
    with pytest.raises(HomeError, match="link"):
        asyncio.run(Machine.open(tmp_path / "home"))
    assert victim.read_text() == "precious"


@pytest.mark.parametrize("which", ["", "gemot.toml", "programs"])
def test_a_configuration_that_others_can_write_is_refused(person: Person, which: str) -> None:
    config = person.folder / "config" / "gemot"
    (config / "programs").mkdir(parents=True)
    (config / "gemot.toml").write_text("")
    (config / which).chmod(0o777)
    done = person.gemot("run", "[]", "--work", ".:ro", code=2)
    assert "chmod go-w" in done.err
