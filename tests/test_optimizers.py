"""What changes the weights, and how fast."""

import pytest
import torch
from torch import nn

from training.loop import cosine
from training.optimizers import MuonAndAdamW, MuonInGroups


def test_a_held_rate_does_not_depend_on_the_end_until_it_falls():
    short, long = ([cosine(i, steps, 10, hold=0.5) for i in range(steps)] for steps in (40, 80))
    assert short[:20] == long[:20] == [1.0] * 20
    assert short[-1] < short[30] < 1 and long[39] == 1 > long[60] > long[-1]
    assert cosine(30, 40, 10) < cosine(20, 40, 10) < 1  # without it, it falls at once


def conv_network(memory_format: torch.memory_format) -> nn.ModuleDict:
    torch.manual_seed(1)
    parts = {"conv_in": nn.Conv2d(2, 6, 3), "inside": nn.Conv2d(6, 4, 3), "last": nn.Linear(4, 3)}
    return nn.ModuleDict(parts).to(memory_format=memory_format)


@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
def test_muon_changes_what_is_inside_in_all_directions_alike(memory_format):
    network = conv_network(memory_format)
    before = {name: value.detach().clone() for name, value in network.named_parameters()}
    optimizer = MuonAndAdamW(network, learning_rate=0.01, weight_decay=0.0)
    hidden = network["inside"](network["conv_in"](torch.randn(9, 2, 5, 5))).flatten(1)
    network["last"](hidden).square().sum().backward()
    gradient = network["inside"].weight.grad.flatten(1)
    optimizer.step()
    change = {name: value.detach() - before[name] for name, value in network.named_parameters()}
    assert spread(gradient) > 4 > 2 > spread(change["inside.weight"].flatten(1))
    assert (change["inside.weight"] * network["inside"].weight.grad).sum() < 0  # downwards
    size = change["inside.weight"].square().mean().sqrt()
    assert 0.1 < size / 0.01 < 0.3  # as large as AdamW's are, on average
    for name in ("conv_in.weight", "inside.bias"):  # AdamW's first step
        torch.testing.assert_close(change[name].abs(), torch.full_like(change[name], 0.01))


def spread(matrix: torch.Tensor) -> float:
    """How many times more of a matrix lies in its first direction than in its last."""
    directions = torch.linalg.svdvals(matrix)
    return (directions.max() / directions.min()).item()


def test_what_takes_no_part_stays_as_it_is():
    network = conv_network(torch.contiguous_format)
    optimizer = MuonAndAdamW(network, learning_rate=0.01, weight_decay=0.0)
    network["last"](torch.randn(2, 4)).sum().backward()
    optimizer.step()
    optimizer.zero_grad()
    assert all(value.grad is None for value in network.parameters())
    before = network["last"].weight.detach().clone()
    network["inside"](network["conv_in"](torch.randn(1, 2, 5, 5))).sum().backward()
    optimizer.step()
    assert torch.equal(network["last"].weight, before)


def test_matrices_in_groups_are_changed_as_by_pytorchs_muon():
    torch.manual_seed(2)
    shapes = [(4, 6), (4, 6), (6, 4), (4, 6), (3, 3)]
    start = [torch.randn(shape) for shape in shapes]
    settings = {"lr": 0.05, "weight_decay": 0.1}
    changed = {}
    for kind in (MuonInGroups, torch.optim.Muon):
        matrices = [nn.Parameter(value.clone()) for value in start]
        optimizer = kind(matrices, **settings, adjust_lr_fn="match_rms_adamw")
        generator = torch.Generator().manual_seed(3)
        for step in range(3):
            for i, matrix in enumerate(matrices):
                gradient = torch.randn(matrix.shape, generator=generator)
                matrix.grad = None if (step, i) == (1, 0) else gradient
            optimizer.step()
        changed[kind] = matrices
    for own, wanted, before in zip(*changed.values(), start, strict=True):
        assert (wanted - before).abs().max() > 0.02
        torch.testing.assert_close(own, wanted, atol=2e-3, rtol=0)  # of bfloat16
