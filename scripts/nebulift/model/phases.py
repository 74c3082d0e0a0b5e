"""What is trained in which order, and at what cost."""

from dataclasses import dataclass
from typing import Literal

FREEZE = ("auto", "layer3", "none")
# Measured relative costs of an epoch: a quarter of the pixels, the last layer alone on kept features, everything.
_HALF_COST, _FROZEN_COST, _FULL_COST = 1.0, 0.4, 4.0


@dataclass(frozen=True)
class Phase:
    """A run of epochs trained in one way.

    `kind` is "half" (everything, on previews of half the width), "frozen" (all up to layer3 stays as it is) or "full"
    (everything). `cost` is that of an epoch, against others.
    """

    kind: Literal["half", "frozen", "full"]
    epochs: int
    learning_rate: float
    cost: float


def plan_phases(epochs: int, learning_rate: float, pretrained: bool, freeze: str) -> list[Phase]:
    """Return the phases of a training of at most `epochs` epochs in all; `freeze` is "auto", "layer3" or "none".

    Weights that know something are kept at first, so that the random last layer does not spoil them, then fine-tuned
    gently (Howard & Ruder 2018). Random ones learn first on halved previews, at a quarter of the price (progressive
    resizing, Tan & Le 2021).
    """
    if freeze == "layer3":
        return [Phase("frozen", epochs, learning_rate, _FROZEN_COST)]
    if freeze == "none" and pretrained:
        return [Phase("full", epochs, learning_rate, _FULL_COST)]
    full = max(1, round(epochs / 4))
    gentle = Phase("full", full, learning_rate / (10 if pretrained else 3), _FULL_COST)
    first = Phase("frozen", epochs - full, learning_rate, _FROZEN_COST)
    if not pretrained:
        first = Phase("half", epochs - full, learning_rate, _HALF_COST)
    return [first, gentle] if first.epochs else [gentle]
