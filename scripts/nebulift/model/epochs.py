"""One epoch: over the training frames with steps, over the validation frames without."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from nebulift.model.examples import Examples
from nebulift.model.metrics import accuracy, balanced_accuracy, confusion_matrix
from nebulift.model.network import Inputs
from nebulift.model.processes import ALONE, Processes

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

    def forward(
        self,
        outputs: Tensor,
        targets: Tensor,
        weights: Tensor,
        measured: Tensor,
        whole: tuple[Tensor, Tensor] | None = None,
    ) -> Tensor:
        """Return the loss of outputs (N, 2 + K), logits first, for targets (N) with weights (N) and measured (N, K).

        Of a part of a batch, `whole` being targets and weights of all of it, that part's share: the sum over the parts
        is the loss of the batch, whatever their sizes and weights.
        """
        all_targets, all_weights = (targets, weights) if whole is None else whole
        each = nn.functional.cross_entropy(outputs[:, :2], targets, reduction="none")
        trusted = self.classes[targets] * weights
        mean: Tensor = (trusted * each).sum() / (self.classes[all_targets] * all_weights).sum()
        if measured.shape[1]:
            part = _MEASURED_SHARE * nn.functional.mse_loss(outputs[:, 2:], measured)
            mean = mean + part * (len(targets) / len(all_targets))
        return mean


def train_epoch(
    network: nn.Module,
    examples: Examples,
    batch_size: int,
    optimizer: Optimizer,
    scheduler: LRScheduler,
    criterion: WeightedLoss,
    generator: torch.Generator,
    processes: Processes = ALONE,
) -> tuple[float, float]:
    """Take one step per batch, `generator` giving their order; return the mean loss and the share right.

    Of several processes each computes its share of every batch, and all take the same step. Raises LossNotFinite
    before a step that would spoil the weights.
    """
    network.train()
    loss_sum, right = 0.0, 0
    for indices in batches(len(examples.labels), batch_size, generator):
        share = processes.share(indices)
        targets, whole = examples.labels[share], (examples.labels[indices], examples.weights[indices])
        outputs = network(_read(examples, indices, share)).float()
        part = criterion(outputs, targets, examples.weights[share], examples.measured[share], whole)
        loss = float(processes.total(part.detach()))
        if not math.isfinite(loss):
            raise LossNotFinite
        optimizer.zero_grad()
        # What comes of it in each process is averaged, but the parts of a loss are to be summed up.
        (part * processes.number).backward()
        optimizer.step()
        scheduler.step()
        loss_sum += loss * len(indices)
        right += int((outputs[:, :2].argmax(dim=1) == targets).sum())
    right = int(processes.total(torch.tensor(right)))
    return loss_sum / len(examples.labels), right / len(examples.labels)


def _read(examples: Examples, indices: Tensor, share: Tensor) -> Inputs:
    """Return the inputs of a share of a batch; the rest is read by others."""
    mine = set(share.tolist())
    examples.pass_over([index for index in indices.tolist() if index not in mine])
    return examples.batch(share.tolist())


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
def validate(
    network: nn.Module, examples: Examples, criterion: WeightedLoss, processes: Processes = ALONE
) -> tuple[Tensor, float, float, float]:
    """Return the logits (N, 2), and their loss, accuracy and balanced accuracy; raises LossNotFinite.

    Of several processes each computes its share of the frames, and all return the same.
    """
    network.eval()
    order = torch.arange(len(examples.labels))
    share = processes.share(order)
    # With fewer frames than processes one is left with none; it looks at another's, whose outputs it throws away.
    parts = torch.split(share if len(share) else order[:1], _VALIDATION_BATCH)
    mine = torch.cat([network(examples.batch(part.tolist())).float() for part in parts])[: len(share)]
    outputs = processes.joined(mine, len(order))
    loss = float(criterion(outputs, examples.labels, examples.weights, examples.measured))
    if not math.isfinite(loss):
        raise LossNotFinite
    logits = outputs[:, :2]
    matrix = confusion_matrix(examples.labels, logits.argmax(dim=1))
    return logits, loss, accuracy(matrix), balanced_accuracy(matrix)
