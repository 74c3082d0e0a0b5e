"""Batch normalisation over the whole batch where several processes have a share of it each.

With each process's own statistics, the network learns something else the more processes there are (the loss differed by
5 % after 40 steps), and torch's SyncBatchNorm works on GPUs alone.
"""

from typing import Any

import torch
from torch import Tensor, distributed, nn
from torch.autograd.function import FunctionCtx, once_differentiable

_OVER = (0, 2, 3)


class SharedBatchNorm2d(nn.BatchNorm2d):
    """nn.BatchNorm2d whose mean and variance in training are those of all processes' inputs (N, C, H, W)."""

    def forward(self, input: Tensor) -> Tensor:
        """Return the normalised inputs; in evaluation it is nn.BatchNorm2d, and sends nothing."""
        if not self.training:
            return super().forward(input)
        assert self.running_mean is not None and self.running_var is not None
        assert self.num_batches_tracked is not None and self.momentum is not None
        with torch.no_grad():
            mean, variance, count = _statistics_of_all(input)
            self.num_batches_tracked.add_(1)
            self.running_mean.lerp_(mean, self.momentum)
            self.running_var.lerp_(variance * (count / (count - 1)), self.momentum)
        normalised: Tensor = _Normalised.apply(input, self.weight, self.bias, mean, variance, count, self.eps)
        return normalised


class _Normalised(torch.autograd.Function):
    """Normalisation by given statistics which themselves follow from the inputs (Ioffe & Szegedy 2015, section 3)."""

    @staticmethod
    def forward(
        ctx: FunctionCtx, input: Tensor, weight: Tensor, bias: Tensor, mean: Tensor, variance: Tensor, count: float,
        eps: float,
    ) -> Tensor:  # fmt: skip
        ctx.save_for_backward(input, weight, mean, variance)
        ctx.count, ctx.eps = count, eps  # type: ignore[attr-defined]
        return nn.functional.batch_norm(input, mean, variance, weight, bias, False, 0.0, eps)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        input, weight, mean, variance = ctx.saved_tensors
        # First as if the statistics were constants, then what the inputs change by changing these.
        direct, of_weight, of_bias = torch.ops.aten.native_batch_norm_backward(
            gradients[0], input, weight, mean, variance, None, None, False, ctx.eps, (True, True, True)
        )
        sums = torch.stack([of_weight, of_bias])
        distributed.all_reduce(sums)
        by_weight, by_bias = sums / ctx.count
        inverse = (variance + ctx.eps).rsqrt()
        slope = -weight * inverse * inverse * by_weight
        offset = -weight * inverse * by_bias - slope * mean
        shape = (1, -1, 1, 1)
        indirect = torch.addcmul(offset.view(shape).to(input.dtype), input, slope.view(shape).to(input.dtype))
        return direct + indirect, of_weight, of_bias, None, None, None, None


def put_in(network: nn.Module) -> None:
    """Let all batch normalisation of a network be over all processes, in place; weights and statistics are kept."""
    _exchange(network, nn.BatchNorm2d, SharedBatchNorm2d)


def take_out(network: nn.Module) -> None:
    """Undo `put_in`."""
    _exchange(network, SharedBatchNorm2d, nn.BatchNorm2d)


def _exchange(network: nn.Module, before: type[nn.BatchNorm2d], after: type[nn.BatchNorm2d]) -> None:
    for name, module in list(network.named_modules()):
        if type(module) is before:
            other = after(module.num_features, module.eps, module.momentum)
            other.weight, other.bias = module.weight, module.bias
            for statistic, tensor in module.named_buffers():
                other.register_buffer(statistic, tensor)
            other.train(module.training)
            network.set_submodule(name, other)


def _statistics_of_all(input: Tensor) -> tuple[Tensor, Tensor, float]:
    """Return mean (C), biased variance (C) and number of all processes' values per channel.

    Parts are put together as by Chan, Golub & LeVeque (1979), in the same order everywhere, to the same numbers.
    """
    precision = torch.promote_types(input.dtype, torch.float32)
    variance, mean = torch.var_mean(input.to(precision), _OVER, correction=0)
    own = input.numel() / input.shape[1]
    mine = torch.stack([mean, variance, torch.full_like(mean, own)])
    all_of_them = [torch.empty_like(mine) for _ in range(distributed.get_world_size())]
    distributed.all_gather(all_of_them, mine)
    means, variances, counts = torch.stack(all_of_them, dim=1).double()
    count = counts.sum(0)
    mean_of_all = (counts * means).sum(0) / count
    variance_of_all = (counts * (variances + (means - mean_of_all) ** 2)).sum(0) / count
    return mean_of_all.to(precision), variance_of_all.to(precision), float(count[0])
