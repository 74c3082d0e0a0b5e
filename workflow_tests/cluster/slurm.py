"""A real Slurm in a folder: munge, a controller and nodes that all are this machine, on ports of their own."""

import contextlib
import ctypes
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path

PROGRAMS = ("munged", "slurmctld", "slurmd", "srun", "sbatch", "squeue", "scancel", "scontrol", "sinfo")
START_LIMIT_S = 60.0
_COMMANDS = ("srun", "sbatch", "squeue", "scancel", "scontrol", "sinfo", "sacct", "sacctmgr")
_CONFIGURATION = """\
ClusterName={cluster}
SlurmctldHost=localhost(127.0.0.1)
SlurmctldPort={controller_port}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket,cred_expire=5
StateSaveLocation={folder}/controller
SlurmdSpoolDir={folder}/spool/%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
SlurmctldLogFile={folder}/log/slurmctld.log
SlurmdLogFile={folder}/log/slurmd-%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SlurmdParameters=config_overrides
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=1
JobAcctGatherParams=OverMemoryKill
AccountingStorageType=accounting_storage/none
ReturnToService=2
MinJobAge=3600
EnforcePartLimits=ALL
KillWait=2
SlurmdTimeout=6
{nodes}
PartitionName=main Nodes={names} Default=YES MaxTime=INFINITE State=UP
"""


class SlurmCluster:
    """Nodes with the cores and the memory of a Raspberry Pi 5, or so Slurm believes."""

    def __init__(self, folder: Path, nodes: int = 3) -> None:
        self.folder = folder
        cluster = f"nebulift{os.getpid()}"  # names told apart on a machine with more than one cluster
        self.nodes = [f"{cluster}-{number}" for number in range(1, nodes + 1)]
        self._daemons: dict[str, subprocess.Popen[bytes]] = {}
        for name in ("controller", "spool", "log", "bin", "munge"):
            (folder / name).mkdir(parents=True, mode=0o700)
        ports = _free_ports(nodes + 1)
        lines = [
            f"NodeName={name} NodeHostname=localhost NodeAddr=127.0.0.1 Port={port} CPUs=4 RealMemory=7600"
            for name, port in zip(self.nodes, ports[1:], strict=True)
        ]
        self.configuration = folder / "slurm.conf"
        self.configuration.write_text(
            _CONFIGURATION.format(
                cluster=cluster,
                controller_port=ports[0],
                user=os.environ.get("USER") if os.geteuid() else "root",
                folder=folder,
                nodes="\n".join(lines),
                names=",".join(self.nodes),
            )
        )
        # A job's inner srun forgets SLURM_CONF, so the commands carry it themselves.
        for command in _COMMANDS:
            if (program := shutil.which(command)) is not None:
                wrapper = folder / "bin" / command
                wrapper.write_text(f'#!/bin/sh\nSLURM_CONF={self.configuration} exec {program} "$@"\n')
                wrapper.chmod(0o755)

    @property
    def environment(self) -> Mapping[str, str]:
        """What a user of this cluster has in the environment."""
        return {"PATH": f"{self.folder / 'bin'}{os.pathsep}{os.environ['PATH']}", "SLURM_CONF": str(self.configuration)}

    def start(self) -> None:
        """Start the daemons and wait until all nodes are idle."""
        key = self.folder / "munge" / "munge.key"
        key.write_bytes(os.urandom(128))
        key.chmod(0o400)
        munge = {
            "key-file": key,
            "pid-file": "munge/munged.pid",
            "log-file": "log/munged.log",
            "seed-file": "munge/seed",
        }
        options = [f"--{name}={self.folder / path}" for name, path in munge.items()]
        self._start("munged", "--foreground", "--force", f"--socket={self.folder}/munge.socket", *options)
        self.wait(lambda: (self.folder / "munge.socket").exists(), "munged opens its socket")
        self.start_controller()
        for node in self.nodes:
            self.start_node(node)
        self.wait(lambda: self.states() == dict.fromkeys(self.nodes, "idle"), "all nodes are idle")

    def start_controller(self) -> None:
        self._start("slurmctld", "-D", "-f", str(self.configuration))

    def kill_controller(self) -> None:
        self._kill_daemon("slurmctld")

    def start_node(self, node: str) -> None:
        self._start("slurmd", "-D", "-N", node, "-f", str(self.configuration), name=node)

    def crash_node(self, node: str) -> None:
        """End a node as a power cut does: its daemon and all that runs on it at once."""
        daemon = self._daemons[node].pid
        running = [process.number for process in self._processes() if f"SLURMD_NODENAME={node}" in process.settings]
        steps = [process.number for process in self._processes() if process.parent == daemon]
        self._kill_daemon(node)
        for number in [*steps, *running]:
            _kill(number)

    def states(self) -> dict[str, str]:
        """Give the state of each node as sinfo names it."""
        return dict(line.split() for line in self.ask("sinfo", "-N", "-h", "-o", "%N %T").splitlines())

    def jobs(self, states: str = "PENDING,RUNNING,COMPLETING") -> list[str]:
        """Give the numbers of jobs in some states."""
        return self.ask("squeue", "-h", "-t", states, "-o", "%i").split()

    def running(self) -> dict[str, str]:
        """Give the node of each job that runs."""
        return dict(line.split() for line in self.ask("squeue", "-h", "-t", "RUNNING", "-o", "%i %N").splitlines())

    def processes_of(self, job: str, words: str) -> list[int]:
        """Give the processes of a job in whose command line some words stand."""
        return [
            process.number
            for process in self._processes()
            if f"SLURM_JOB_ID={job}" in process.settings and words in process.command
        ]

    def ask(self, *command: str) -> str:
        """Run a command of Slurm; what it prints, or nothing where the controller does not answer."""
        environment = {**os.environ, **self.environment}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=60)
        return done.stdout

    def wait(self, holds: Callable[[], bool], what: str, limit_s: float = START_LIMIT_S) -> None:
        """Wait until something holds; raises AssertionError with the ends of the logs if it never does."""
        end = time.monotonic() + limit_s
        while not holds():
            if time.monotonic() > end:
                raise AssertionError(f"not within {limit_s:g} s: {what}\n{self.logs()}")
            time.sleep(0.1)

    def logs(self) -> str:
        """Give the ends of the daemons' logs."""
        return "\n".join(
            f"--- {path.name}\n{path.read_text(errors='replace')[-1500:]}"
            for path in sorted((self.folder / "log").iterdir())
        )

    def stop(self) -> None:
        """End everything that was started, whatever state it is in."""
        for daemon in self._daemons.values():
            daemon.kill()
        for daemon in self._daemons.values():
            daemon.wait()
        self._daemons.clear()
        for _ in range(3):  # what is killed may just have started another
            for process in self._processes():
                _kill(process.number)

    def _kill_daemon(self, name: str) -> None:
        daemon = self._daemons.pop(name)
        daemon.kill()
        daemon.wait()

    def _start(self, *command: str, name: str = "") -> None:
        with (self.folder / "log" / f"{name or command[0]}.out").open("ab") as output:
            self._daemons[name or command[0]] = subprocess.Popen(
                command,
                env={**os.environ, **self.environment},
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                preexec_fn=_die_with_parent,
            )

    def _processes(self) -> list["_Process"]:
        """Give all processes but this one that have this cluster in their environment."""
        found = []
        for path in Path("/proc").iterdir():
            if path.name.isdigit() and int(path.name) != os.getpid():
                try:
                    process = _Process(path)
                except OSError:
                    continue
                if f"SLURM_CONF={self.configuration}" in process.settings:
                    found.append(process)
        return found


class _Process:
    def __init__(self, path: Path) -> None:
        self.number = int(path.name)
        self.settings = os.fsdecode((path / "environ").read_bytes()).split("\0")
        self.command = os.fsdecode((path / "cmdline").read_bytes()).replace("\0", " ")
        # After the name of the program, which may hold anything and stands in brackets: state, parent.
        self.parent = int((path / "stat").read_text().rpartition(")")[2].split()[1])


def _kill(number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(number, signal.SIGKILL)


def _die_with_parent() -> None:
    set_death_signal = 1
    ctypes.CDLL(None).prctl(set_death_signal, signal.SIGKILL, 0, 0, 0)


def _free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()
