"""What is too large, malformed, or printed to do harm, and folders that hold programs."""

import os
import pickle
import random
import subprocess
import sys
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml

from eurosat_cls import Classifier, UserError
from eurosat_cls.analysis.report.compare import write_comparison
from eurosat_cls.analysis.report.page import write_report
from eurosat_cls.checkpoints.runs import find_checkpoint
from eurosat_cls.encoders import ResNet
from eurosat_cls.models.network import Network
from eurosat_cls.training.timing import _in_child
from eurosat_cls.utils.children import python_environment
from eurosat_cls.utils.limits import SETTINGS, read_bytes
from eurosat_cls.utils.terminal import escaped_output
from tests.config.parsers import parsed
from tests.conftest import exit_code, subprocess_env
from tests.hostile.helpers import BASE, from_file, part, said

# --- 7: limits --------------------------------------------------------------------------------------------------------

PROFILERS = "lightning.pytorch.profilers"
BOMB = "{a0: &a0 [x,x,x], " + ", ".join(f"a{n}: &a{n} [{','.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 25)) + "}"
LIMITS = {
    "aliases in text": {"model": {"init_args": {"lr_multipliers": BOMB}}},
    "merges in text": {"model": {"init_args": {"lr_multipliers": "{a0: &a0 {k: 1}, " + ", ".join(
        f"a{n}: &a{n} {{<<: [{','.join([f'*a{n - 1}'] * 9)}]}}" for n in range(1, 25)) + "}"}}},
    "depth in text": {"model": {"init_args": {"lr_multipliers": "[" * 5000}}},
    "references": {"hyperparameters": {"a0": "x" * 100, **{f"a{n}": f"${{hyperparameters.a{n - 1}}}" * 10 for n in
                                                           range(1, 12)}}},
    "a chain": {"trainer": {"precision": "${hyperparameters.a1499}"},
                "hyperparameters": {"a0": "x", **{f"a{n}": f"${{hyperparameters.a{n - 1}}}" for n in range(1, 1500)}}},
    "a number": "trainer: {max_epochs: " + "9" * 4000 + "}",
    "a hexadecimal one": "trainer: {max_epochs: 0x" + "f" * 4000 + "}",
    "a sexagesimal one": "trainer: {max_epochs: 1" + ":59" * 2000 + "}",
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("kind", LIMITS)
def test_what_grows_is_refused(kind: str) -> None:
    assert any(word in from_file(LIMITS[kind]) for word in ("grows to", "nested more", "references lead", "too long"))


def test_text_inside_an_option_has_the_limits_of_a_file() -> None:
    assert "grows to more than 20,000 values" in said("--model.init_args.lr_multipliers", BOMB)
    assert "nested more than" in said("--model.init_args.lr_multipliers", "[" * 5000)
    assert "nested more than" in said("--" + ".".join("a" * 1000), "1")


def test_a_config_is_a_regular_file_of_a_megabyte(tmp_path: Path) -> None:
    os.mkfifo("pipe.yaml")
    Path("zero.yaml").symlink_to("/dev/zero")
    Path("large.yaml").write_text("a: " + "x" * 2**20)
    for name in ("pipe.yaml", "zero.yaml", "large.yaml"):
        refused = "more than the 1,048,576" if name == "large.yaml" else "cannot be read"
        assert refused in said("--config", name)
        Path("outer.yaml").write_text(f"model: {tmp_path / name}\n")
        assert refused in said("--config", "outer.yaml")
        with pytest.raises(UserError, match=refused):
            read_bytes(Path(name), SETTINGS)


# --- 8: nothing of the current folder ---------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("module", ["eurosat_cls", "eurosat_cls.cli.trial"])
def test_nothing_of_the_current_folder_is_imported(module: str) -> None:
    for name in ("yaml", "torch", "lightning", "typing", "numpy", "jinja2", "matplotlib", "optuna"):
        Path(f"{name}.py").write_text("import pathlib\npathlib.Path('won').touch()\n")
    Path("run").mkdir()
    Path("run/config.yaml").write_text("model: {}\n")
    Path("libcuda.so.1").write_text("no library")  # that a CUDA library of torch's would look for
    os.mkfifo("matplotlibrc")
    command = [sys.executable, "-m", module, *(["report", "run"] if module == "eurosat_cls" else [])]
    done = subprocess.run(command, env=subprocess_env(), capture_output=True, text=True, check=False, timeout=100)
    assert not Path("won").exists()
    assert "ImportError" not in done.stderr
    assert Path("run/report.html").exists() == (module == "eurosat_cls")


@pytest.mark.slow
def test_nor_by_a_process_that_is_started() -> None:
    model = Classifier(partial(ResNet, widths=(8,), blocks=(1,)), ["a", "b"], ["B04"], mean=[90.0], std=[30.0])
    for name in ("yaml", "torch", "pickle", "runpy", "multiprocessing"):
        Path(f"{name}.py").write_text("import pathlib\npathlib.Path('won').touch()\n")
    task = (Network(model), (2, 1, 8, 8), [("32-true", "contiguous", False)], 1)
    rates, _, code = _in_child(pickle.dumps(task))
    assert not Path("won").exists()
    assert code == 0
    assert rates is not None
    command = [sys.executable, "-c", "import yaml, torch, pickle, multiprocessing"]
    subprocess.run(command, env=python_environment(), check=True)
    assert sys.version_info < (3, 11) or not Path("won").exists()


@pytest.mark.slow
def test_no_command_reads_a_matplotlibrc_of_the_current_folder() -> None:
    code = (
        "from eurosat_cls.utils.children import load_elsewhere\nload_elsewhere()\n"
        "import matplotlib, os, sys\n"
        "print(matplotlib.rcParams['font.size'], os.path.exists('here'), 'torch' in sys.modules)"
    )
    Path("here").touch()
    Path("matplotlibrc").write_bytes(b"font.size: 3\n\xff")  # which older versions evaluate, and none can read
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, env=subprocess_env(), capture_output=True, text=True, timeout=100, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "10.0 True True\n", "")


@pytest.mark.slow
def test_what_lies_in_the_current_folder_says_not_how_pictures_are_drawn() -> None:
    Path("matplotlibrc").write_text("text.usetex: True\nfont.size: 3\n")
    code = "import eurosat_cls.utils.figures, matplotlib; print(matplotlib.rcParams['text.usetex'])"
    done = subprocess.run(
        [sys.executable, "-c", code], env=subprocess_env(), capture_output=True, text=True, check=True
    )
    assert done.stdout == "False\n"


# --- 9: malformed -----------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize(
    "settings",
    [{"trainer": {"default_root_dir": "a\0b"}}, {"data": {"init_args": {"root": "a\0b"}}}, {"trainer": {None: 2}},
     {"trainer": {1: 2}}, {True: 1}, "model: {class_path: 3}", "model: {init_args: {task: !!python/name:os.system x}}",
     {"trainer": {"profiler": {**part(f"{PROFILERS}.PyTorchProfiler"), "dict_kwargs": {"x": "os.abort"}}}},
     {"model": {"init_args": {"loss": {**part("torch.nn.MSELoss"), "dict_kwargs": {"x": part("subprocess.Popen")}}}}}],
)  # fmt: skip
def test_a_malformed_config_is_a_mistake_of_two_lines(settings: Any) -> None:
    assert 1 <= len(from_file(settings).splitlines()) <= 4


MERGES = ["a0: &a0 {k: v}", *(f"a{n}: &a{n}\n  <<: [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12))]
ODD_CONFIGS = [
    "model: text", "model: {init_args: [1]}", "data: 3", "model: {class_path: [x], init_args: {1: 2, a: 3}}", "- 1",
    "a: 2001-99-99", "a: " + "9" * 5000, "a: &a [*a]", "\n".join(MERGES), "\0", "trainer: null\n", "? [1]\n: 3\n",
    "a: !!binary aGk=\n", "a: !!set {x}\n", "a: 1" + ":59" * 3000, "trainer: x\n",
]  # fmt: skip


@pytest.mark.usefixtures("trained")
def test_an_odd_neighbour_does_not_hide_a_run() -> None:
    config = yaml.safe_load(Path("lightning_logs/version_0/config.yaml").read_text())
    odd = Path("lightning_logs/version_9")
    (odd / "checkpoints").mkdir(parents=True)
    (odd / "checkpoints/best.ckpt").write_text("")
    for content in ODD_CONFIGS:
        (odd / "config.yaml").write_text(content)
        assert find_checkpoint("best", Path("lightning_logs"), config)[0].parts[-3] == "version_0"
    for target in ("/dev/zero", "nowhere"):
        (odd / "config.yaml").unlink()
        (odd / "config.yaml").symlink_to(target)
        assert find_checkpoint("best", Path("lightning_logs"), config)[0].parts[-3] == "version_0"


ODD_RUNS = {
    "config.yaml": ODD_CONFIGS,
    "environment.json": [
        '{"data": []}', '{"data": "x"}', '{"data": {"patches": [1]}}', '{"data": {"patches": {"train": 3}}}', "[]",
        '{"data": {"patches": {"train": {"a": "x"}}}}', '{"data": {"source": "\\ud800"}}', "[" * 20_000,
        '{"training": {"patches": 3}, "machine": {}}', '{"training": {"seconds": NaN}}', '{"training": 3}',
        '{"training": {"device": "x", "processes": "y"}, "machine": {"cpu": "x"}}', '{"machine": []}',
    ],
    "test.json": [
        '{"per_class": [1]}', '{"per_class": {"a": 3}}', '{"per_class": {"a": {}}}', '{"per_class": null}',
        '{"per_class": {"a": {"images": "x", "f1": 1}}}', '{"per_class": {"a": {"images": NaN, "f1": 1}}}',
        '{"per_class": {"a": {"images": 1, "f1": "x"}}}', '{"split": {"split_sha256": []}}', '{"split": "x"}',
        '{"test/a": 1e999}', '{"test/a": ' + "9" * 4000 + "}", '{"checkpoint": "\\ud800"}',
    ],
    "test_predictions.csv": ["file,true,predicted\na\n", "file,true,predicted\n" + "a" * 200_000 + ",b,c\n"],
}  # fmt: skip


@pytest.mark.parametrize("name", ODD_RUNS)
def test_an_odd_run_folder_makes_a_page_or_a_mistake(name: str) -> None:
    Path("run").mkdir()
    for content in ODD_RUNS[name]:
        Path("run/config.yaml").write_text("model: {}\n")
        Path("run", name).write_text(content)
        with suppress(UserError):
            write_report(Path("run"))
        with suppress(UserError):
            write_comparison([Path("run"), Path("run")], Path("c.html"))


def test_what_is_printed_steers_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code(["fit", "--config", "\x1b]0;won\x07.yaml"]) == 2
    assert exit_code(["\x1b[31mred"]) == 2
    with escaped_output():
        print("\x1b[31mred\u202e\r\udcff", file=sys.stderr)
    printed = "".join(capsys.readouterr())
    assert not set(printed) & {"\x1b", "\x07", "\r", "\u202e", "\udcff"}
    assert r"\x1b[31mred\u202e\r\udcff" in printed


# --- anything at all --------------------------------------------------------------------------------------------------

PIECES = [
    "a", "trainer", "{", "}", "[", "]", ":", ",", " ", "\n", "&a ", "*a", "<<", "!!set", "- ", "? ", "'", '"', "|",
    "${", "${env:", "}", "hyperparameters.a", "${hyperparameters.a}", "class_path", "init_args", "os.system", "../",
    "s3://", "~/", "\x1b", "\0", "\u202e", "9" * 5000, "0x", "null", "model", "loss", "torch.hub.load", "callbacks+",
    "\t", "é", "1e3",
]  # fmt: skip
KEYS = [
    "trainer.max_epochs", "trainer.logger", "trainer.callbacks", "model.init_args.loss", "model.init_args.metrics",
    "data.init_args.augment", "checkpoint.dirpath", "seed_everything", "trainer.plugins", "pictures", "model",
]  # fmt: skip
WHOLES = ["{}", "trainer: {}", "model: {{init_args: {}}}", "hyperparameters: {{a: {}}}", "data: {}", "pictures: {}"]
SEED, COUNT = 17, int(os.environ.get("GARBLED", 25))


@pytest.mark.slow
def test_a_garbled_config_is_taken_or_a_mistake() -> None:
    chosen = random.Random(SEED)
    for number in range(COUNT):
        text = "".join(chosen.choices(PIECES, k=chosen.randint(1, 12)))
        arguments = [f"--{chosen.choice(KEYS)}={text}"]
        if number % 2:
            Path("garbled.yaml").write_text(chosen.choice(WHOLES).format(text), encoding="utf-8")
            arguments = ["--config", "garbled.yaml"]
        with suppress(UserError):  # whatever else is raised is an accident
            parsed("fit", *BASE, *arguments)
