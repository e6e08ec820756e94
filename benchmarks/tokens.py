"""What token encoders cost: against torch.nn.TransformerEncoder, and with more tokens.

    python benchmarks/tokens.py

First, training steps of Transformer and Exchanger beside the same networks written with ``torch.nn.TransformerEncoder``
in its defaults: the same embeddings, width, heads, layers and hidden features; for the Exchanger as many layers of it.
Then blocks of both alone at 64 to 4,096 tokens, forward and backward: the time of full attention grows with the square
of the tokens, that of the exchanger with their number. What is compared takes turns in one process; prints medians and
ratios.
"""

import argparse
import statistics
from collections.abc import Callable
from typing import Any

import torch
from common import BATCH, seconds
from torch import Tensor, nn

from eurosat_cls.encoders import Encoder, Exchanger, Transformer
from eurosat_cls.encoders.exchanger import ExchangerBlock
from eurosat_cls.encoders.transformer import TransformerBlock
from eurosat_cls.training.precision import supports_bf16
from eurosat_cls.utils.machine import keep_freed_memory

TOKENS = (64, 256, 1024, 4096)
WIDTH, HEADS, LAYERS, HIDDEN = 128, 4, 4, 512


class Plain(Transformer):
    """The Transformer with its blocks written with ``torch.nn.TransformerEncoder``."""

    def __init__(self, in_channels: int, dropout: float) -> None:
        super().__init__(in_channels, d_model=WIDTH, num_heads=HEADS, num_layers=1, dropout=dropout)
        layer = nn.TransformerEncoderLayer(WIDTH, HEADS, HIDDEN, dropout, batch_first=True)
        self.blocks = nn.ModuleList([nn.TransformerEncoder(layer, LAYERS)])

    def forward(self, x: Tensor, *_: Any) -> Tensor:
        """``[B, C, H, W]`` -> ``[B, D]``."""
        return self.norm(self.blocks[0](self.embed(x))).mean(dim=1)  # type: ignore[no-any-return]


def training_step(encoder: Encoder, precision: str) -> Callable[[], None]:
    """One optimisation step of encoder and linear head on one resident batch."""
    head = nn.Linear(encoder.out_features, 10)
    network = nn.Sequential(encoder, head).train()
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-3)
    image, target = torch.randn(BATCH, 3, 64, 64), torch.randint(0, 10, (BATCH,))

    def step() -> None:
        with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16-mixed"):
            logits = network(image)
        nn.functional.cross_entropy(logits.float(), target).backward()
        optimizer.step()
        optimizer.zero_grad()

    return step


def block_step(block: nn.Module, tokens: int) -> Callable[[], None]:
    """Forward and backward of one block, on as many patches as make 4,096 tokens."""
    x = torch.randn(max(1, TOKENS[-1] // tokens), tokens, WIDTH, requires_grad=True)

    def step() -> None:
        block(x).sum().backward()

    return step


def in_turns(steps: dict[str, Callable[[], None]], rounds: int) -> dict[str, float]:
    """Median seconds of each, without the first round, which warms up."""
    spent: dict[str, list[float]] = {name: [] for name in steps}
    for _ in range(rounds + 1):
        for name, step in steps.items():
            spent[name].append(seconds(step))
    return {name: statistics.median(times[1:]) for name, times in spent.items()}


def encoders(rounds: int) -> None:
    """Print training steps and their ratios."""
    precisions = ["32-true", *(["bf16-mixed"] if supports_bf16(torch.device("cpu")) else [])]
    for dropout in (0.0, 0.1):
        settings: dict[str, Any] = {"d_model": WIDTH, "num_heads": HEADS, "num_layers": LAYERS, "dropout": dropout}
        for precision in precisions:
            networks = {
                "nn.TransformerEncoder": Plain(3, dropout),
                "Transformer": Transformer(3, **settings),
                "Exchanger": Exchanger(3, **settings),
            }
            steps = {name: training_step(network, precision) for name, network in networks.items()}
            found = in_turns(steps, rounds)
            plain = found["nn.TransformerEncoder"]
            print(f"training step, 64 tokens, dropout {dropout}, {precision}")
            for name, time in found.items():
                print(f"  {name:22} {time * 1e3:7.1f} ms, {BATCH / time:5.0f} patches/s, {plain / time:5.2f} times "
                      f"nn.TransformerEncoder's rate")  # fmt: skip


def scaling(rounds: int) -> None:
    """Print blocks at more and more tokens."""
    blocks = {
        "full attention": TransformerBlock(WIDTH, HEADS, HIDDEN / WIDTH, 0.0),
        "exchanger": ExchangerBlock(WIDTH, HEADS, 8, HIDDEN / WIDTH, 0.0),
    }
    print("one block, forward and backward, microseconds for each token (a flat row is a linear cost)")
    print(f"{'tokens':16}" + "".join(f"{tokens:>10,}" for tokens in TOKENS))
    costs: dict[str, list[float]] = {name: [] for name in blocks}
    for tokens in TOKENS:
        steps = {name: block_step(block, tokens) for name, block in blocks.items()}
        for name, time in in_turns(steps, rounds).items():
            costs[name].append(time / TOKENS[-1] * 1e6)
    for name, row in costs.items():
        print(f"{name:16}" + "".join(f"{cost:10.2f}" for cost in row) + f"   grows {row[-1] / row[0]:.2f} times")
    ratios = [full / ours for full, ours in zip(costs["full attention"], costs["exchanger"], strict=True)]
    print(f"{'ratio':16}" + "".join(f"{ratio:10.2f}" for ratio in ratios))


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--rounds", type=int, default=15, help="times that everything is timed")
    given = arguments.parse_args()
    keep_freed_memory()
    torch.manual_seed(0)
    encoders(given.rounds)
    scaling(given.rounds)
