"""Processes that train one network together, on one machine or on several, each on its share of every batch."""

import datetime
import io
import os
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, distributed, nn
from torch.distributed import TCPStore  # type: ignore[attr-defined]
from torch.distributed.distributed_c10d import PrefixStore, Store
from torch.nn.parallel import DistributedDataParallel

from nebulift.model.shared_statistics import put_in, take_out

_INTERFACE = "GLOO_SOCKET_IFNAME"
_NAME_BYTES, _ASK_FOR_ADDRESS = 16, 0x8915
# What an export of the network, or a slow card that features are kept from, may take.
_TIME_LIMIT = datetime.timedelta(minutes=30)


class ProcessLost(RuntimeError):  # noqa: N818
    """A process that trains along has ended or cannot be reached; the message says what to do."""


@dataclass(frozen=True)
class Processes:
    """Stands for this process, number `rank` of `number` that train together, `on_this_machine` of them here.

    Between processes all calls are collective: each of them makes the same calls in the same order. Alone, nothing is
    changed and nothing is sent.
    """

    rank: int = 0
    number: int = 1
    on_this_machine: int = 1

    @property
    def first(self) -> bool:
        """Whether this is the one that reads, writes and tells."""
        return self.rank == 0

    def threads(self, threads: int | None) -> int | None:
        """Return how many of the threads meant for a node are this process's: they are shared on one machine."""
        return None if threads is None else max(1, threads // self.on_this_machine)

    def share(self, indices: Tensor) -> Tensor:
        """Return this process's part of indices (N): parts follow one another, of nearly equal size."""
        return torch.tensor_split(indices, self.number)[self.rank]

    def total(self, part: Tensor) -> Tensor:
        """Return the sum of all processes' tensors of one shape."""
        if self.number == 1:
            return part
        summed = part.clone()
        distributed.all_reduce(summed)
        return summed

    def joined(self, part: Tensor, number: int) -> Tensor:
        """Return the rows (number, ...) of which each process has its `share`."""
        if self.number == 1:
            return part
        parts = []
        for rank, indices in enumerate(torch.tensor_split(torch.arange(number), self.number)):
            rows = part.contiguous() if rank == self.rank else part.new_empty(len(indices), *part.shape[1:])
            distributed.broadcast(rows, rank)
            parts.append(rows)
        return torch.cat(parts)

    def handed(self, state: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
        """Return the first process's state of tensors and plain values; nothing in what is sent is executed."""
        if self.number == 1:
            return state
        content = io.BytesIO()
        if self.first:
            torch.save(state, content)
        length = torch.tensor([content.tell()])
        distributed.broadcast(length, 0)
        sent = torch.frombuffer(bytearray(content.getvalue() or int(length)), dtype=torch.uint8)
        distributed.broadcast(sent, 0)
        if self.first:
            return state
        received: Mapping[str, Any] | None = torch.load(io.BytesIO(sent.numpy().tobytes()), weights_only=True)
        return received

    def trained_together(self, module: nn.Module) -> nn.Module:
        """Return a module whose gradients are the sum of all processes' ones divided by their number."""
        if self.number == 1:
            return module
        # The statistics that it would send around before every step are the same everywhere.
        return DistributedDataParallel(module, forward_sync_buffers=False)

    @contextmanager
    def statistics_of_all(self, network: nn.Module) -> Iterator[None]:
        """Let batch normalisation see the whole batch, not this process's share alone; as before afterwards."""
        if self.number == 1:
            yield
            return
        put_in(network)
        try:
            yield
        finally:
            take_out(network)


ALONE = Processes()
"""One process, as on a laptop."""


@contextmanager
def joined_processes(environment: Mapping[str, str] = os.environ) -> Iterator[Processes]:
    """Join the processes that torchrun or srun has started along with this one.

    What is read of the environment is torchrun's RANK, WORLD_SIZE, LOCAL_WORLD_SIZE, MASTER_ADDR and MASTER_PORT, or
    srun's SLURM_PROCID, SLURM_NTASKS, SLURM_TASKS_PER_NODE and SLURM_LAUNCH_NODE_IPADDR with MASTER_PORT; the first
    process has to be where srun was called. Raises ValueError where these are missing, ProcessLost as soon as another
    process is gone.
    """
    processes, address, port = _told(environment)
    try:
        # torchrun serves a store itself.
        serves = processes.first and environment.get("TORCHELASTIC_USE_AGENT_STORE") != str(True)
        served = TCPStore(address, port, processes.number, serves, _TIME_LIMIT)
        store = PrefixStore("nebulift", served)
        _choose_interface(processes, store, address, port)
        distributed.init_process_group("gloo", store=store, rank=processes.rank, world_size=processes.number)
        yield processes
    except RuntimeError as error:
        if not _of_connection(error):
            raise
        raise ProcessLost(
            f"process {processes.rank} of {processes.number}: another one that trains along has ended or cannot be"
            " reached; see what it said, and start again: training goes on behind its last whole epoch"
        ) from error
    finally:
        if distributed.is_initialized():
            distributed.destroy_process_group()


def free_port() -> int:
    """Return a port of this machine that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("", 0))
        port: int = probe.getsockname()[1]
    return port


def interface_of(address: str) -> str | None:
    """Return the name of this machine's network interface that has an IPv4 address, None if there is none."""
    try:
        import fcntl
    except ImportError:
        return None
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        for _, name in socket.if_nameindex():
            request = name.encode()[: _NAME_BYTES - 1].ljust(256, b"\0")
            try:
                answer = fcntl.ioctl(probe.fileno(), _ASK_FOR_ADDRESS, request)
            except OSError:
                continue
            if socket.inet_ntoa(answer[20:24]) == address:
                return name
    return None


def _told(environment: Mapping[str, str]) -> tuple[Processes, str, int]:
    try:
        if "RANK" in environment:
            names = ("RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE")
            rank, number, here = (int(environment[name]) for name in names)
            address = environment["MASTER_ADDR"]
        else:
            rank, number = (int(environment[name]) for name in ("SLURM_PROCID", "SLURM_NTASKS"))
            here = int(environment["SLURM_TASKS_PER_NODE"].partition("(")[0])
            address = environment["SLURM_LAUNCH_NODE_IPADDR"]
        return Processes(rank, number, here), address, int(environment["MASTER_PORT"])
    except (KeyError, ValueError) as error:
        raise ValueError(
            f"this is for processes that torchrun or srun starts together, which set {error} in the environment"
        ) from error


def _choose_interface(processes: Processes, store: Store, address: str, port: int) -> None:
    """Let gloo use the interface that leads to the other processes.

    It would take the address of the machine's own name, which on Debian is 127.0.1.1 and leads nowhere. The first
    process, which may know itself by such an address only, is told by the next one where it is found.
    """
    if processes.number == 1:
        return
    if processes.first:
        mine = store.get("address of the first").decode()
    else:
        found = socket.getaddrinfo(address, port, socket.AF_INET, socket.SOCK_DGRAM)[0][4]
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.connect(found)
            mine = probe.getsockname()[0]
        if processes.rank == 1:
            store.set("address of the first", str(found[0]))
    interface = interface_of(mine)
    if interface is not None and _INTERFACE not in os.environ:
        os.environ[_INTERFACE] = interface


def _of_connection(error: RuntimeError) -> bool:
    """Whether an error comes from sending between processes: gloo has no class of its own for most of them."""
    told = str(error).lower()
    words = ("gloo", "connection", "timed out", "socket closed")
    return isinstance(error, distributed.DistError) or any(word in told for word in words)
