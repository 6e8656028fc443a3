"""Muon for the matrices inside a network, AdamW for all else that is learned.

Muon (Jordan et al. 2024, kellerjordan.github.io/posts/muon) makes each step's change of a matrix
nearly orthogonal, so that no few directions get all of it. It takes matrices only; a convolution's
weights are one with a row for each channel that goes out.
"""

import math
from collections import defaultdict

import torch
from torch import nn

ENDS = ("conv_in.", "conv_out.")  # the first and the last layer are AdamW's, as Muon's authors say


class MuonInGroups(torch.optim.Muon):
    """PyTorch's Muon, for all matrices of one shape at once.

    Most matrices of a small network are too small to keep two threads busy: one by one, the 90 of
    the sticker U-Net took 217 ms on two threads, in groups they take 84.
    """

    @torch.no_grad()
    def step(self) -> None:
        for group in self.param_groups:
            alike = defaultdict(list)
            for matrix in group["params"]:
                if matrix.grad is not None:
                    alike[matrix.shape].append(matrix)
            for shape, matrices in alike.items():
                changes = nearly_orthogonal(self.momenta(matrices, group["momentum"]), group)
                rate = group["lr"] * 0.2 * math.sqrt(max(shape))  # as large as AdamW's changes
                torch._foreach_mul_(matrices, 1 - group["lr"] * group["weight_decay"])
                torch._foreach_add_(matrices, list(changes.to(matrices[0].dtype)), alpha=-rate)

    def momenta(self, matrices: list[nn.Parameter], momentum: float) -> torch.Tensor:
        """Nesterov's momentum of each, (n, rows, columns)."""
        gradients = [matrix.grad for matrix in matrices]
        kept = []
        for matrix in matrices:
            state = self.state[matrix]
            if "momentum_buffer" not in state:
                state["momentum_buffer"] = torch.zeros_like(matrix)
            kept.append(state["momentum_buffer"])
        torch._foreach_lerp_(kept, gradients, 1 - momentum)
        return torch.stack(gradients).lerp(torch.stack(kept), momentum)


def nearly_orthogonal(matrices: torch.Tensor, settings: dict) -> torch.Tensor:
    """Newton and Schulz's iteration on each of (n, rows, columns), in bfloat16."""
    a, b, c = settings["ns_coefficients"]
    tall = matrices.shape[-2] > matrices.shape[-1]
    x = (matrices.mT if tall else matrices).bfloat16().contiguous()
    x = x / x.norm(dim=(-2, -1), keepdim=True).clamp(min=settings["eps"])
    for _ in range(settings["ns_steps"]):
        gram = torch.bmm(x, x.mT.contiguous())
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x.mT if tall else x


class MuonAndAdamW:
    """Both as one optimizer, with one learning rate: Muon's changes get the size of AdamW's.

    Args:
        model: Where it will be trained, in the layout in which it will be: the matrices are views
            of its weights.
    """

    def __init__(self, model: nn.Module, learning_rate: float, weight_decay: float) -> None:
        learned = {name: value for name, value in model.named_parameters() if value.requires_grad}
        inside = [n for n, value in learned.items() if value.ndim > 1 and not n.startswith(ENDS)]
        self._weights = [learned[name] for name in inside]
        self._matrices = [
            nn.Parameter(in_rows(w.detach(), w).view(len(w), -1)) for w in self._weights
        ]
        others = [value for name, value in learned.items() if name not in inside]
        self._optimizers = {
            "muon": MuonInGroups(self._matrices, learning_rate, weight_decay),
            "adamw": torch.optim.AdamW(
                others, learning_rate, betas=(0.9, 0.99), weight_decay=weight_decay, fused=True
            ),
        }

    @property
    def param_groups(self) -> list[dict]:
        return [group for each in self._optimizers.values() for group in each.param_groups]

    def zero_grad(self, set_to_none: bool = True) -> None:
        for weight in self._weights:
            weight.grad = None
        self._optimizers["adamw"].zero_grad(set_to_none)

    def step(self) -> None:
        for weight, matrix in zip(self._weights, self._matrices, strict=True):
            takes_part = weight.grad is not None
            matrix.grad = in_rows(weight.grad, weight).reshape(matrix.shape) if takes_part else None
        for each in self._optimizers.values():
            each.step()

    def state_dict(self) -> dict:
        return {name: each.state_dict() for name, each in self._optimizers.items()}

    def load_state_dict(self, state: dict) -> None:
        for name, each in self._optimizers.items():
            each.load_state_dict(state[name])


def in_rows(values: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """The values of a weight, or its gradients, in the order in which the weight is stored."""
    return values if weight.is_contiguous() else values.permute(0, 2, 3, 1)  # channels last
