"""Run a program in a fork of a process that has imported torch, Transformers, PEFT and DeepSpeed (keep_warm.py).

On a processor, these imports take longer than the training or the answering of a tiny model. The Snakefile sets the
variable PROGRAMS_START to the `compute.start` of the configuration; if that is not warm, nothing happens here.
"""

import json
import os
import signal
import socket
import sys
from contextlib import suppress
from pathlib import Path

from serving.sharing import connect, meeting_place, start_keeper

SWITCH = "PROGRAMS_START"
KEEPER = Path(__file__).resolve().parents[1] / "keep_warm.py"
IMPORTS = ("torch", "transformers.trainer", "peft", "accelerate", "deepspeed", "torch.distributed.run")
LINGER = 20  # seconds
READ_AT_IMPORT = ("CUDA", "HF_", "MKL", "OMP", "OPENBLAS", "PYTHON", "TOKENIZERS", "TRANSFORMERS")  # start of names
FORWARDED = {signal.SIGHUP, signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2}
STREAMS = 3  # standard input, output and error
ATTEMPTS = 3  # to have the keeper start a program


def hand_over(*without: str) -> None:
    """If PROGRAMS_START is warm, run this program in a fork of the keeper, and exit as it does; signals are forwarded.

    `without` names environment variables that the fork shall not have. Programs call this before anything else: it does
    nothing once torch is imported, and so nothing in the fork.
    """
    if os.environ.get(SWITCH) != "warm" or "torch" in sys.modules:
        return
    environment = {name: value for name, value in os.environ.items() if name not in without}
    with _keeper(environment) as keeper:
        replies = keeper.makefile("rb")
        fork = int(replies.readline())
        for number in FORWARDED:
            signal.signal(number, lambda number, frame: os.kill(fork, number))
        line = replies.readline()
    if not line:
        sys.exit(f"error: compute.start: warm: {KEEPER.name}, in which this program ran, has ended; run again")
    status = int(line)
    if status < 0:  # a signal ended it
        if -status in FORWARDED:
            signal.signal(-status, signal.SIG_DFL)
        os.kill(os.getpid(), -status)
    sys.exit(status)


def read_request(client: socket.socket) -> tuple[dict, list[int]]:
    """What `hand_over` wants to run, and its standard streams. Raises OSError or ValueError if it has ended."""
    _, streams, _, _ = socket.recv_fds(client, 1, STREAMS)
    with client.makefile("rb") as stream:
        return json.loads(stream.readline()), list(streams)


def _keeper(environment: dict[str, str]) -> socket.socket:
    """A connection to the keeper for this Python and the variables that libraries read when they are imported. It has
    started this program, and says the number of the fork."""
    settings = {name: value for name, value in environment.items() if name.startswith(READ_AT_IMPORT)}
    place = meeting_place([sys.executable, str(KEEPER), json.dumps(settings, sort_keys=True)])
    options = ["--socket", str(place), "--linger", str(LINGER)]
    request = {"arguments": sys.argv, "environment": environment, "folder": os.getcwd()}
    for _ in range(ATTEMPTS):
        with suppress(TimeoutError, ConnectionError):
            keeper = connect(place, lambda: start_keeper([str(KEEPER), *options], environment))
            socket.send_fds(keeper, [b"\n"], range(STREAMS))
            keeper.sendall(json.dumps(request).encode() + b"\n")
            if keeper.recv(1, socket.MSG_PEEK):  # one that is just ending says nothing
                return keeper
    sys.exit(f"error: compute.start: warm: {KEEPER.name} does not start; write cold")
