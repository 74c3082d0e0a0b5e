"""One epoch: over the training frames with steps, over the validation frames without."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from nebulift.model.examples import Examples
from nebulift.model.metrics import accuracy, balanced_accuracy, confusion_matrix

_VALIDATION_BATCH = 32
_MEASURED_SHARE = 4.0


class LossNotFinite(ArithmeticError):  # noqa: N818
    """The loss is infinite or no number any more: nothing more can be learned from here."""


@dataclass(frozen=True)
class EpochRow:
    """A row of history.tsv; accuracies are shares, 0 to 1."""

    epoch: int
    phase: str
    learning_rate: float
    train_loss: float
    train_accuracy: float
    val_loss: float
    val_accuracy: float
    val_balanced_accuracy: float

    @property
    def merit(self) -> tuple[float, float]:
        """By what epochs are compared: the balanced accuracy, of equal ones the lower loss."""
        return self.val_balanced_accuracy, -self.val_loss


def class_weights(labels: Tensor, weights: Tensor | None = None) -> Tensor:
    """Return the weight of each class in the loss (2): inverse to its frames, each counted by its own weight (N)."""
    counted = torch.ones(len(labels)) if weights is None else weights
    counts = torch.zeros(2).index_add(0, labels, counted)
    return counted.sum() / (2 * counts.clamp(min=float(counted.min())))


class WeightedLoss(nn.Module):
    """The mean cross-entropy of frames, each weighted by its class and by how much its label is to be trusted.

    Where numbers were measured, too, their mean squared error comes on top, several times: it tells more per frame.
    """

    def __init__(self, classes: Tensor) -> None:
        super().__init__()
        self.classes = classes

    def forward(self, outputs: Tensor, targets: Tensor, weights: Tensor, measured: Tensor) -> Tensor:
        """Return the loss of outputs (N, 2 + K), logits first, for targets (N) with weights (N) and measured (N, K)."""
        each = nn.functional.cross_entropy(outputs[:, :2], targets, reduction="none")
        trusted = self.classes[targets] * weights
        mean: Tensor = (trusted * each).sum() / trusted.sum()
        if measured.shape[1]:
            mean = mean + _MEASURED_SHARE * nn.functional.mse_loss(outputs[:, 2:], measured)
        return mean


def train_epoch(
    network: nn.Module,
    examples: Examples,
    batch_size: int,
    optimizer: Optimizer,
    scheduler: LRScheduler,
    criterion: WeightedLoss,
    generator: torch.Generator,
) -> tuple[float, float]:
    """Take one step per batch, `generator` giving their order; return the mean loss and the share right.

    Raises LossNotFinite before a step that would spoil the weights.
    """
    network.train()
    loss_sum, right = 0.0, 0
    for indices in batches(len(examples.labels), batch_size, generator):
        targets = examples.labels[indices]
        outputs = network(examples.batch(indices.tolist())).float()
        loss = criterion(outputs, targets, examples.weights[indices], examples.measured[indices])
        if not math.isfinite(loss.item()):
            raise LossNotFinite
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        scheduler.step()
        loss_sum += loss.item() * len(targets)
        right += int((outputs[:, :2].argmax(dim=1) == targets).sum())
    return loss_sum / len(examples.labels), right / len(examples.labels)


def batches(number: int, batch_size: int, generator: torch.Generator) -> tuple[Tensor, ...]:
    """Return all indices below `number` in random order, in batches of nearly equal size.

    So no frame is left out, and none is alone in a last batch, where batch normalisation would make nothing of it.
    """
    order = torch.randperm(number, generator=generator)
    return torch.tensor_split(order, steps_per_epoch(number, batch_size))


def steps_per_epoch(number: int, batch_size: int) -> int:
    """Return the number of batches of about `batch_size` frames."""
    return max(1, round(number / batch_size))


@torch.no_grad()
def validate(network: nn.Module, examples: Examples, criterion: WeightedLoss) -> tuple[Tensor, float, float, float]:
    """Return the logits (N, 2), and their loss, accuracy and balanced accuracy; raises LossNotFinite."""
    network.eval()
    order = torch.arange(len(examples.labels))
    parts = torch.split(order, _VALIDATION_BATCH)
    outputs = torch.cat([network(examples.batch(part.tolist())).float() for part in parts])
    loss = float(criterion(outputs, examples.labels, examples.weights, examples.measured))
    if not math.isfinite(loss):
        raise LossNotFinite
    logits = outputs[:, :2]
    matrix = confusion_matrix(examples.labels, logits.argmax(dim=1))
    return logits, loss, accuracy(matrix), balanced_accuracy(matrix)
