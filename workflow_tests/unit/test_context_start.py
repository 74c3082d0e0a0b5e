"""What a network knows of contexts before its first epoch."""

import numpy as np
import torch

from nebulift.dataset.context import CONTEXT_SIZE
from nebulift.model.context_start import knows_contexts, learn_contexts
from nebulift.model.network import NightNetwork, new_network


def told(frames: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return contexts of which the third number tells the label, with some noise, and the labels."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 2, frames)
    contexts = rng.normal(0, 1, (frames, CONTEXT_SIZE)).astype(np.float32)
    contexts[:, 2] += 6 * labels - 3
    return torch.from_numpy(contexts), torch.from_numpy(labels)


def answers(network: NightNetwork, contexts: torch.Tensor) -> torch.Tensor:
    with torch.no_grad():
        features = torch.zeros(len(contexts), network.fc.in_features - CONTEXT_SIZE)
        answered: torch.Tensor = network.fc(torch.cat([features, contexts], dim=1))
    return answered


def learned(contexts: torch.Tensor, labels: torch.Tensor, weights: torch.Tensor) -> NightNetwork:
    network = new_network()
    assert not knows_contexts(network)
    learn_contexts(network, contexts, labels, weights)
    assert knows_contexts(network)
    return network


def test_it_tells_other_frames_by_their_contexts_alone() -> None:
    network = learned(*told(200, 0), torch.ones(200))
    contexts, labels = told(300, 1)
    assert (answers(network, contexts).argmax(dim=1) == labels).float().mean() > 0.95


def test_frames_that_count_nothing_are_not_learned_from() -> None:
    contexts, labels = told(200, 0)
    wrong = torch.cat([labels[:100], 1 - labels[100:]])
    weights = torch.cat([torch.ones(100), torch.full((100,), 1e-6)])
    network = learned(contexts, wrong, weights)
    assert (answers(network, contexts[:100]).argmax(dim=1) == labels[:100]).float().mean() > 0.95


def test_it_is_the_same_again_and_leaves_the_previews_part_as_it_was() -> None:
    torch.manual_seed(0)
    before = new_network().fc.weight[:, :-CONTEXT_SIZE].clone()
    made = []
    for _ in range(2):
        torch.manual_seed(0)
        made.append(learned(*told(50, 0), torch.ones(50)).fc.weight)
    assert torch.equal(made[0], made[1])
    assert torch.equal(made[0][:, :-CONTEXT_SIZE], before)
