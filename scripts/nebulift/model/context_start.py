"""A start for the last layer of a network that knows nothing of contexts yet: a logistic regression on them."""

import torch
from torch import Tensor, nn

from nebulift.dataset.context import CONTEXT_SIZE
from nebulift.model.network import NightNetwork

_RIDGE = 10.0


def knows_contexts(network: NightNetwork) -> bool:
    """Say whether the network has learned anything of contexts."""
    return bool(network.fc.weight[:, -CONTEXT_SIZE:].any())


def learn_contexts(network: NightNetwork, contexts: Tensor, labels: Tensor, weights: Tensor) -> None:
    """Set what the last layer makes of contexts (N, CONTEXT_SIZE), in place, to what tells labels (N) best.

    `weights` (N) are what each frame counts. The layers that see the preview then learn what contexts do not tell
    (linear probing, then fine-tuning: Kumar et al. 2022). By L-BFGS in double precision, with a ridge: the same frames
    give the same weights.
    """
    given, targets, counted = contexts.double(), labels.double(), weights.double()
    weight = torch.zeros(CONTEXT_SIZE, dtype=torch.float64, requires_grad=True)
    bias = torch.zeros((), dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([weight, bias], max_iter=300, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimizer.zero_grad()
        each = nn.functional.binary_cross_entropy_with_logits(given @ weight + bias, targets, counted, reduction="sum")
        total: Tensor = (each + 0.5 * _RIDGE * (weight**2).sum()) / counted.sum()
        total.backward()  # type: ignore[no-untyped-call]
        return total

    optimizer.step(loss)  # type: ignore[no-untyped-call]
    with torch.no_grad():
        # Of two outputs the difference counts: half of it each.
        for output, half in ((0, -0.5), (1, 0.5)):
            network.fc.weight[output, -CONTEXT_SIZE:] = (half * weight).float()
            network.fc.bias[output] = (half * bias).float()
