"""What a training shows: lines where nobody watches, a bar on a terminal, and both without a mess."""

import os
import pty
import re
import subprocess
import sys
from collections.abc import Callable

import pytest

from tests.conftest import subprocess_env

Run = Callable[..., tuple[int, str]]
FIT = [sys.executable, "-m", "eurosat_cls", "fit"]


def on_a_terminal(arguments: list[str]) -> str:
    """Run a training whose output is a terminal; return what it wrote, without what only moves the cursor."""
    master, slave = pty.openpty()
    environment = {**subprocess_env(), "TERM": "xterm", "COLUMNS": "150"}
    with subprocess.Popen([*FIT, *arguments], stdin=slave, stdout=slave, stderr=slave, env=environment) as process:
        os.close(slave)
        written = b""
        try:
            while piece := os.read(master, 65536):
                written += piece
        except OSError:  # how Linux says that the other side is closed
            pass
    os.close(master)
    assert process.returncode == 0, written.decode()
    return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", written.decode())


def test_without_a_terminal_there_are_plain_lines(run: Run) -> None:
    code, printed = run("fit")
    assert code == 0
    assert len(re.findall(r"^epoch [12]/2  train/loss", printed, re.MULTILINE)) == 2
    assert "\x1b" not in printed
    assert "\r" not in printed
    assert "━" not in printed


@pytest.mark.slow
def test_on_a_terminal_a_bar_goes_along_and_lines_stay_whole(quick: list[str]) -> None:
    shown = on_a_terminal(quick)
    lines = [line.strip() for line in re.split(r"[\r\n]+", shown)]
    assert any(re.match(r"epoch 1/2 +━.* [123]/3 ", line) for line in lines)
    assert len([line for line in lines if re.fullmatch(r"epoch \d/2  train/loss .* images/s  [\d.]+ s", line)]) == 2
    assert any(line.startswith("best val/accuracy") for line in lines)
    assert "v_num" not in shown
    assert "stopped:" not in shown
