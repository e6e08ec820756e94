"""How many planted label errors an audit finds, and what it suggests for the labels as they are.

    python benchmarks/label_errors.py --output FOLDER [--share 0.03] [--epochs 10] [--folds 5] [--seeds 0]

Labels of that share of EuroSAT's patches (``EUROSAT_ROOT``), drawn at random, become another class drawn at random.
Then ``search --folds`` cross-validates ``configs/tiny_resnet18.yaml`` on them, ``audit`` ranks its suggestions, and the
first ones, as many as there are flips, are counted: printed is the share of the flips that are among them, and of which
the right class is suggested. ``--share 0`` audits the published labels. Started again it goes on where it was.
"""

import argparse
import csv
import os
import subprocess
import sys
from pathlib import Path

import numpy as np

from eurosat_cls.data import EuroSAT
from eurosat_cls.utils.files import csv_text, write_text

ROOT = Path(__file__).parent.parent
CONFIG = str(ROOT / "configs" / "tiny_resnet18.yaml")


def plant(folder: Path, share: float, seed: int) -> dict[str, str]:
    """Write the flipped labels as a table for ``data.labels``; return what they were."""
    store = EuroSAT().store
    draw = np.random.default_rng(seed)
    rows = np.sort(draw.choice(len(store.files), round(share * len(store.files)), replace=False))
    shifts = draw.integers(1, len(store.class_names), len(rows))
    flipped = (store.labels[rows] + shifts) % len(store.class_names)
    table = [[store.files[row], store.class_names[label]] for row, label in zip(rows, flipped, strict=True)]
    write_text(folder / "flips.csv", csv_text([["file", "label"], *table]))
    return {store.files[row]: store.class_names[store.labels[row]] for row in rows}


def run(*arguments: str) -> None:
    """Run a command of the package."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    subprocess.run([sys.executable, "-m", "eurosat_cls", *arguments], env=environment, check=True)


def main() -> None:
    """Plant, train, audit and count."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--share", type=float, default=0.03)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--seeds", default="0")
    given = parser.parse_args()
    folder = given.output.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    truth = plant(folder, given.share, seed=1)
    labels = ["--data.init_args.labels", str(folder / "flips.csv")] if truth else []
    run("search", "--config", CONFIG, "--folds", str(given.folds), "--seeds", given.seeds, "--study", "audit", *labels,
        "--trainer.max_epochs", str(given.epochs), "--trainer.default_root_dir", str(folder))  # fmt: skip
    run("audit", str(folder / "lightning_logs" / "search_audit"), "--output", str(folder / "audit"))
    with open(folder / "audit" / "suggestions.csv", encoding="utf-8", newline="") as stream:
        suggestions = list(csv.DictReader(stream))
    first = suggestions[: len(truth)]
    found = [row for row in first if row["file"] in truth]
    right = sum(row["suggested"] == truth[row["file"]] for row in found)
    print(f"{len(suggestions)} suggestions, {len(truth)} labels were flipped")
    if truth:
        print(f"among the first {len(first)}: {len(found)} of them ({len(found) / len(truth):.1%}), {right} with their "
              f"true class ({right / len(truth):.1%})")  # fmt: skip


if __name__ == "__main__":
    main()
