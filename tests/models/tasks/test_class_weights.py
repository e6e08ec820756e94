import pytest
import torch

from eurosat_cls.models.tasks.class_weights import class_weight_tensor
from eurosat_cls.utils.errors import UserError

NAMES = ["Forest", "River", "SeaLake"]


def test_names_decide_the_place_and_missing_ones_weigh_one() -> None:
    assert class_weight_tensor({"SeaLake": 3.0, "Forest": 0.5}, NAMES, None).tolist() == [0.5, 1.0, 3.0]


def test_balanced_weights_give_every_class_the_same_total() -> None:
    counts = [10, 20, 70]
    weight = class_weight_tensor("balanced", NAMES, counts)
    assert weight is not None
    torch.testing.assert_close(weight * torch.tensor(counts), torch.full((3,), 100 / 3))


def test_no_weights_are_none() -> None:
    assert class_weight_tensor(None, NAMES, [1, 1, 1]) is None


@pytest.mark.parametrize(
    ("weights", "said"),
    [
        ({"Forrest": 1.0}, "Did you mean 'Forest'"),
        ({"xyz": 1.0}, "The classes are Forest, River, SeaLake"),
        ({"River": -1.0}, "River has weight -1.0"),
        ({"River": float("nan")}, "River has weight nan"),
        ({"River": float("inf")}, "River has weight inf"),
        ({"Forest": 0, "River": 0, "SeaLake": 0}, "all weights are 0"),
    ],
)
def test_wrong_weights_are_named(weights: dict[str, float], said: str) -> None:
    with pytest.raises(UserError, match=said):
        class_weight_tensor(weights, NAMES, [1, 1, 1])


@pytest.mark.parametrize("counts", [None, [1, 0, 3]])
def test_balanced_needs_counts_of_every_class(counts: list[int] | None) -> None:
    with pytest.raises(UserError, match="balanced"):
        class_weight_tensor("balanced", NAMES, counts)
