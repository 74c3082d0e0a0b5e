"""Batches for training: previews, or what the frozen layers make of them, kept in memory."""

from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor, nn

from nebulift.model.dataset import AstroImageDataset
from nebulift.model.network import Inputs
from nebulift.model.processes import ALONE, Processes

# 200 kB each in float32: up to 800 MB.
_KEPT_FEATURES = 4000
_MOST_VARIANTS = 4


class Examples(Protocol):
    """Labelled inputs of a network with the weights of their labels; `reads` of each tell which variant is next.

    `measured` (N, K) are the numbers learned along with the labels, K being 0 where there are none.
    """

    labels: Tensor
    weights: Tensor
    measured: Tensor
    reads: list[int]

    def batch(self, indices: Sequence[int]) -> Inputs:
        """Return the inputs at `indices`: (N, channels, height, width), channels last in memory, and the context."""

    def pass_over(self, indices: Sequence[int]) -> None:
        """Count reads that another process does, so that the next variants are the same whoever reads them."""


class Previews:
    """The items of a dataset; with `half`, averaged down to half their width."""

    def __init__(self, dataset: AstroImageDataset, *, half: bool = False) -> None:
        self.labels = torch.tensor(dataset.labels)
        self.weights = torch.tensor([facts.weight for facts in dataset.facts])
        self.measured = torch.tensor([facts.measured for facts in dataset.facts]).reshape(len(dataset), -1)
        self.reads = dataset.reads
        self._dataset = dataset
        self._half = half

    def batch(self, indices: Sequence[int]) -> Inputs:
        """Return the inputs at `indices`."""
        previews, contexts = zip(*(self._dataset.input(index) for index in indices), strict=True)
        inputs = torch.stack(previews)
        if self._half:
            inputs = nn.functional.avg_pool2d(inputs, 2)
        return inputs.contiguous(memory_format=torch.channels_last), torch.stack(contexts)

    def pass_over(self, indices: Sequence[int]) -> None:
        """Count reads that another process does."""
        self._dataset.pass_over(indices)


class KeptFeatures:
    """What frozen layers make of the items of a dataset, computed once; of augmented ones, of several variants.

    Each process computes its share and is sent those of the others.
    """

    def __init__(self, stem: nn.Module, dataset: AstroImageDataset, processes: Processes = ALONE) -> None:
        previews = Previews(dataset)
        self.labels, self.weights, self.measured = previews.labels, previews.weights, previews.measured
        number = len(dataset)
        variants = min(_MOST_VARIANTS, _KEPT_FEATURES // number) if dataset.augment else 1
        stem.eval()
        with torch.no_grad():
            self._features = [_features_of_all(stem, previews, number, processes) for _ in range(variants)]
        self.reads = [0] * number

    @staticmethod
    def fit_for(dataset: AstroImageDataset) -> bool:
        """Say whether the features of a dataset of this size are kept at all."""
        return len(dataset) <= _KEPT_FEATURES

    def batch(self, indices: Sequence[int]) -> Inputs:
        """Return the features at `indices`, the variants in turn, and the context."""
        chosen = []
        for index in indices:
            chosen.append(self._features[self.reads[index] % len(self._features)][index])
            self.reads[index] += 1
        features, contexts = zip(*chosen, strict=True)
        return torch.stack(features).contiguous(memory_format=torch.channels_last), torch.stack(contexts)

    def pass_over(self, indices: Sequence[int]) -> None:
        """Count reads that another process does."""
        for index in indices:
            self.reads[index] += 1


class Frozen(nn.Module):
    """Layers that stay as they are, before others that are trained."""

    def __init__(self, stem: nn.Module, tail: nn.Module) -> None:
        super().__init__()
        self.stem, self.tail = stem, tail

    def train(self, mode: bool = True) -> "Frozen":
        """Train the tail; the stem's batch normalisation stays as it is, too."""
        super().train(mode)
        self.stem.eval()
        return self

    def forward(self, inputs: Inputs) -> Tensor:
        """Return the logits (N, 2)."""
        previews, context = inputs
        with torch.no_grad():
            features = self.stem(previews)
        logits: Tensor = self.tail((features, context))
        return logits


def _features_of_all(stem: nn.Module, previews: Previews, number: int, processes: Processes) -> list[Inputs]:
    """Return what frozen layers make of the next variant of each item, one by one, and its context."""
    share = processes.share(torch.arange(number)).tolist()
    mine = [_kept(stem, previews, index) for index in share]
    if processes.number == 1:
        return mine
    previews.pass_over(sorted({*range(number)} - {*share}))
    # Without a share of its own one has to know the shape of the others' features all the same.
    features, contexts = zip(*(mine or [_kept(stem, previews, 0)]), strict=True)
    rows = (processes.joined(torch.stack(part)[: len(mine)], number) for part in (features, contexts))
    return list(zip(*rows, strict=True))


def _kept(stem: nn.Module, examples: Previews, index: int) -> Inputs:
    """Return what the stem makes of one example, and its context."""
    previews, contexts = examples.batch([index])
    return stem(previews)[0], contexts[0]
