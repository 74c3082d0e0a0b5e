"""torchvision's ResNet18 with two outputs and a look at the night, and what its weights start from."""

import contextlib
import logging
import socket
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torchvision.models import ResNet18_Weights
from torchvision.models.resnet import BasicBlock, ResNet

from nebulift.dataset.context import CONTEXT_SIZE
from nebulift.model.description import ARCHITECTURE, CLASSES, ModelFileError, NoModel
from nebulift.model.model_file import read_weights_file
from nebulift.model.weights_file import SHIPPED_WEIGHTS, read_weights

logger = logging.getLogger(__name__)

_PATIENCE_S = 12.0


Inputs = tuple[Tensor, Tensor]
"""Previews (N, 3, height, width) or what layers made of them, and the context (N, CONTEXT_SIZE) of each."""


class Head(nn.Module):
    """The end of a network: the features of a preview and its context become outputs."""

    def __init__(self, network: "NightNetwork", *before: nn.Module) -> None:
        super().__init__()
        self.before = nn.Sequential(*before, network.avgpool, nn.Flatten(1))
        self.fc = network.fc

    def forward(self, inputs: Inputs) -> Tensor:
        """Return the outputs (N, outputs)."""
        features, context = inputs
        outputs: Tensor = self.fc(torch.cat([self.before(features), context], dim=1))
        return outputs


class NightNetwork(ResNet):  # type: ignore[misc]
    """ResNet18 (He et al. 2016) whose last layer sees the context beside the features of the preview."""

    fc: nn.Linear

    def __init__(self) -> None:
        super().__init__(BasicBlock, [2, 2, 2, 2])
        self.fc = nn.Linear(self.fc.in_features + CONTEXT_SIZE, len(CLASSES))
        # Nothing is known of contexts yet: see `context_start`.
        nn.init.zeros_(self.fc.weight[:, -CONTEXT_SIZE:])

    def stem(self) -> nn.Sequential:
        """Return the layers up to layer3; they share the network's weights."""
        early = (self.conv1, self.bn1, self.relu, self.maxpool, self.layer1, self.layer2, self.layer3)
        return nn.Sequential(*early)

    def tail(self) -> Head:
        """Return the layers after layer3; they share the network's weights."""
        return Head(self, self.layer4)

    def forward(self, inputs: Inputs) -> Tensor:
        """Return the outputs (N, outputs)."""
        previews, context = inputs
        return self.tail()((self.stem()(previews), context))  # type: ignore[no-any-return]


def new_network() -> NightNetwork:
    """Return an untrained network for previews (N, 3, 224, 224) with their context, with one output per class."""
    return NightNetwork()


def build_network(weights: str) -> tuple[NightNetwork, str]:
    """Return a network to train and what its weights really start from.

    `weights` is "nebulift" (those that ship with it), "imagenet", "none", or the path of weights by `nebulift pretrain`
    (.safetensors), of a model.pth of Nebulift or of a state_dict of ResNet18 (.pth). ImageNet's are torchvision's own,
    from its cache or the internet; where they cannot be had, a warning says so and random ones are used. The second
    value is `weights`, or "none" where random ones are used, which follow torch's seed. Raises ModelFileError naming
    the file.
    """
    network = new_network()
    if weights == "none":
        return network, "none"
    if weights == "imagenet":
        state = _imagenet_state()
        if state is None:
            return network, "none"
        source = "ImageNet weights of torchvision"
    elif weights == "nebulift":
        state, source = read_weights(SHIPPED_WEIGHTS), str(SHIPPED_WEIGHTS)
    else:
        state, source = _state_in(Path(weights)), weights
    _start_from(network, state, source)
    return network, weights


def with_outputs(network: nn.Module, outputs: int) -> None:
    """Give a network so many outputs, in place; those that it had are kept as they are, new ones are random."""
    before = network.get_submodule("fc")
    assert isinstance(before, nn.Linear)
    after = nn.Linear(before.in_features, outputs)
    kept = min(outputs, before.out_features)
    with torch.no_grad():
        after.weight[:kept], after.bias[:kept] = before.weight[:kept], before.bias[:kept]
    network.set_submodule("fc", after)


def _start_from(network: nn.Module, state: Mapping[str, Any], source: str) -> None:
    """Load all layers; a last layer made for other classes than ours, or without context, is left as it is."""
    fitting = dict(state)
    ours = network.get_parameter("fc.weight").shape
    if isinstance(fitting.get("fc.weight"), Tensor) and fitting["fc.weight"].shape != ours:
        fitting |= {name: tensor for name, tensor in network.state_dict().items() if name.startswith("fc.")}
    try:
        network.load_state_dict(fitting)
    except (RuntimeError, TypeError, AttributeError) as error:
        raise ModelFileError(f"{source}: these are not the weights of a {ARCHITECTURE}; give others") from error


def _state_in(path: Path) -> Mapping[str, Any]:
    if path.suffix == ".safetensors":
        return read_weights(path)
    content = read_weights_file(path)
    if content.get("trained") is False:
        raise NoModel(path, str(content.get("reason")))
    state = content.get("state_dict", content)
    if not isinstance(state, Mapping):
        raise ModelFileError(f"{path}: its state_dict is not a dictionary of weights; give another file")
    return state


def _imagenet_state() -> Mapping[str, Any] | None:
    """Return torchvision's ImageNet weights, or None after a warning where they cannot be downloaded."""
    weights = ResNet18_Weights.IMAGENET1K_V1
    cached = Path(torch.hub.get_dir()) / "checkpoints" / Path(weights.url).name
    if not cached.exists():
        try:
            _reach(weights.url)
            with _socket_timeout(_PATIENCE_S):
                weights.get_state_dict(progress=False, check_hash=True, weights_only=True)
        # RuntimeError is what a download with other contents than expected raises, as from a login page.
        except (OSError, RuntimeError) as error:
            logger.warning(
                "ImageNet weights could not be downloaded (%s): training starts from random weights, which needs more "
                "frames and time. Run once with an internet connection, or copy %s to %s, or set train: weights: none",
                error,
                weights.url,
                cached,
            )
            return None
    try:
        state: Mapping[str, Any] = weights.get_state_dict(progress=False, check_hash=True, weights_only=True)
    # A damaged file can make the reader fail in every way there is.
    except Exception as error:
        message = f"{cached}: the cached ImageNet weights cannot be read; delete this file, it is then downloaded again"
        raise ModelFileError(message) from error
    return state


def _reach(url: str) -> None:
    """Raise OSError unless the server answers soon, by proxy if one is set."""
    failure: list[OSError] = [TimeoutError(f"no answer from {url} within {_PATIENCE_S:g} s")]

    def ask() -> None:
        try:
            request = urllib.request.Request(url, method="HEAD")
            urllib.request.urlopen(request, timeout=_PATIENCE_S).close()
            failure.clear()
        except urllib.error.HTTPError:
            failure.clear()  # somebody answered; the download will tell
        except OSError as error:
            failure[:] = [error]

    # In a thread of its own: a lookup of a name heeds no timeout and can take minutes without a network.
    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(_PATIENCE_S)
    if failure:
        raise failure[0]


@contextlib.contextmanager
def _socket_timeout(seconds: float) -> Iterator[None]:
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(seconds)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)
