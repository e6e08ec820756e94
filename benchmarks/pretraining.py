"""What pretraining without labels is worth where labels are few: ten patches per class, five seeds, one test split.

    python benchmarks/pretraining.py
    python benchmarks/pretraining.py --encoder lightning_logs/version_0/encoder.safetensors

Pretrains the encoder of configs/autoencoder.yaml on all training patches, without their labels (unless one is given),
then trains the network of configs/finetune.yaml from it and from scratch, on the same patches of each seed and in the
same way. The last weights are tested, so that no further label has a say. Every step is a command of the command line,
and is printed; a run that is interrupted goes on where it was when started again with the same --folder. --options are
handed on to every fine-tuning, e.g. --options --trainer.precision 32-true.
"""

import argparse
import json
import statistics
import subprocess
import sys
from pathlib import Path

CONFIGS = Path(__file__).parent.parent / "configs"


def command(subcommand: str, config: str, folder: Path, *options: str) -> None:
    """Run one command of the command line, which logs to a file of the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    arguments = [subcommand, "--config", str(CONFIGS / config), "--trainer.default_root_dir", str(folder), *options]
    print("python -m eurosat_cls", *arguments, file=sys.stderr, flush=True)
    log = folder / f"{subcommand}.log"
    with log.open("w") as file:
        done = subprocess.run([sys.executable, "-m", "eurosat_cls", *arguments], stdout=file, stderr=subprocess.STDOUT)
    if done.returncode:
        raise SystemExit(log.read_text()[-2000:] + f"\n{log}: exit code {done.returncode}")


def newest(folder: Path, file: str) -> Path | None:
    """The file of that name in the newest run of the folder."""
    found = sorted(folder.glob(f"lightning_logs/*/{file}"), key=lambda path: path.stat().st_mtime)
    return found[-1] if found else None


def pretrained(folder: Path) -> Path:
    """Pretrain, unless that was done here before; return the encoder."""
    if newest(folder, "encoder.safetensors") is None:
        command("fit", "autoencoder.yaml", folder)
    path = newest(folder, "encoder.safetensors")
    assert path is not None
    return path


def accuracy(folder: Path, seed: int, shots: int, *options: str) -> float:
    """Fine-tune and test, unless that was done here before; return the test accuracy in %."""
    if newest(folder, "test.json") is None:
        options = ("--seed_everything", str(seed), "--data.init_args.subset_seed", str(seed),
                   "--data.init_args.shots_per_class", str(shots), *options)  # fmt: skip
        command("fit", "finetune.yaml", folder, *options)
        command("test", "finetune.yaml", folder, *options, "--ckpt_path", str(newest(folder, "checkpoints/last.ckpt")))
    path = newest(folder, "test.json")
    assert path is not None
    return 100 * float(json.loads(path.read_text())["test/accuracy"])


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--encoder", type=Path, help="an encoder.safetensors that was pretrained before")
    arguments.add_argument("--folder", type=Path, default=Path("pretraining"), help="where the runs go")
    arguments.add_argument("--seeds", type=int, default=5, help="how many")
    arguments.add_argument("--shots", type=int, default=10, help="labelled patches of each class")
    arguments.add_argument("--options", nargs=argparse.REMAINDER, default=[], help="of the command line, at the end")
    given = arguments.parse_args()
    encoder = given.encoder or pretrained(given.folder / "autoencoder")
    starts = {"from scratch": [], "pretrained": ["--model.init_args.weights", str(encoder)]}
    results: dict[str, list[float]] = {arm: [] for arm in starts}
    for seed in range(given.seeds):
        for arm, options in starts.items():
            folder = given.folder / f"{arm.replace(' ', '_')}_{given.shots}_{seed}"
            result = accuracy(folder, seed, given.shots, *options, *given.options)
            results[arm].append(result)
            print(f"seed {seed}, {arm}: {result:.2f} %", file=sys.stderr, flush=True)
    gains = [b - a for a, b in zip(results["from scratch"], results["pretrained"], strict=True)]
    print(f"test accuracy in %, {given.shots} labelled patches per class")
    print(f"{'':14}{''.join(f'  seed {seed}' for seed in range(given.seeds))}    mean  deviation")
    for name, values in {**results, "difference": gains}.items():
        deviation = statistics.stdev(values) if len(values) > 1 else 0.0
        cells = "".join(f"{value:8.2f}" for value in values)
        print(f"{name:14}{cells}{statistics.mean(values):8.2f}{deviation:11.2f}")
