"""Progress: told when work lasts, silent when it does not."""

import sys

import pytest

from eurosat_cls.utils import progress as module
from eurosat_cls.utils.progress import progress


def test_short_work_prints_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with progress(100, "counting") as advance:
        for _ in range(100):
            advance(1)
    assert capsys.readouterr() == ("", "")


def test_long_work_prints_few_plain_lines_on_stderr(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "QUIET_SECONDS", 0)
    with progress(1000, "counting") as advance:
        for _ in range(1000):
            advance(1)
    out, err = capsys.readouterr()
    lines = err.splitlines()
    assert out == ""
    assert lines[:-1] == ["counting: started"] + [f"counting: {p} %" for p in (20, 40, 60, 80)]
    assert lines[-1].startswith("counting: done in ")


def test_work_of_unknown_length_or_broken_off_is_told_truly(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "QUIET_SECONDS", 0)

    def break_off() -> None:
        with progress(None, "counting") as advance:
            advance(5)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        break_off()
    assert "counting: stopped after" in capsys.readouterr().err


def test_a_terminal_gets_a_bar(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "QUIET_SECONDS", 0)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setenv("FORCE_COLOR", "1")
    with progress(10, "counting") as advance:
        for _ in range(10):
            advance(1)
    assert "100%" in capsys.readouterr().err


def test_beside_the_bar_of_a_training_there_are_plain_lines(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "QUIET_SECONDS", 0)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setattr(sys.stderr, "rich_proxied_file", None, raising=False)
    with progress(10, "counting") as advance:
        for _ in range(10):
            advance(1)
    assert "counting: 20 %" in capsys.readouterr().err
