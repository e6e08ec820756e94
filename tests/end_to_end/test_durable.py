"""A training that is killed, at whatever moment, goes on to what it would have become."""

import json
import random
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import CURVES, REPOSITORY, subprocess_env

# Dropout draws from the global generator; gradients are accumulated; weights are averaged; saved after every step.
EVERYTHING = [
    "--data.init_args.patches_per_class", "10", "--data.init_args.batch_size", "15",
    "--model.init_args.decoder", '{"class_path": "MLP", "init_args": {"hidden": [16], "dropout": 0.3}}',
    "--trainer.accumulate_grad_batches", "2",
    "--trainer.callbacks", '[{"class_path": "WeightAverage"}, {"class_path": "tests.end_to_end.killing.Moments"}]',
    "--checkpoint.every_minutes", "1e-9", *CURVES,
]  # fmt: skip


@pytest.mark.slow
def test_a_training_killed_at_twenty_random_moments_ends_as_one_left_alone(quick: list[str], tmp_path: Path) -> None:
    seed = random.SystemRandom().randrange(2**32)
    command = [sys.executable, "-m", "tests.end_to_end.killing", str(tmp_path), str(seed), "20", *quick, *EVERYTHING]
    env = {**subprocess_env(), "OMP_NUM_THREADS": "1"}  # a process with threads cannot be forked
    done = subprocess.run(command, env=env, cwd=REPOSITORY, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout.splitlines()[-1])
    logs = "".join(path.read_text()[-3000:] for path in sorted(tmp_path.glob("*/log.txt"))[-1:])
    assert len(report["killed"]) >= 20, (report, logs)
    assert not report["differences"], (report, logs)
