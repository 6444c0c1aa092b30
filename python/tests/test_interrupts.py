"""Ctrl-C a second time: while the first one's work still ends by itself, and while the interpreter ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from typing import Any

import numpy as np
import pytest

pytestmark = pytest.mark.skipif(os.name == "nt", reason="signals")

#: An update that takes hours if nobody ends it, and says when it begins.
PROGRAM = """
import json, signal, sys, time
import numpy as np
from wgpo import _native as native

signal.signal(signal.SIGINT, signal.default_int_handler)
spec = native.default_spec("ppo", 4, json.dumps({"kind": "categorical", "actions": 2}), hidden=[256, 256])
config = {"num_envs": 16, "num_steps": 128, "num_minibatches": 4, "update_epochs": 100_000}
own = native.Learner(spec, native.config_with("ppo", native.default_config("ppo"), config), backend="cpu")
rng = np.random.default_rng(1)
rows = (128, 16)
window = {
    "obs": rng.normal(size=(*rows, 4)), "actions": rng.integers(0, 2, rows), "logp": np.full(rows, np.log(0.5)), "rewards": rng.normal(size=rows),
    "values": rng.normal(size=(129, 16)), "terminated": np.zeros(rows, bool), "truncated": np.zeros(rows, bool),
}
try:
    print("update", flush=True)
    own.update(window)
except KeyboardInterrupt:
    print("first", flush=True)
    try:
        CALL
    except KeyboardInterrupt:
        print("second", flush=True)
        raise
"""


@pytest.mark.parametrize(
    "call", ["own.state()", "own.parameters()", "own.seed", "own.update(window)", "own.act(window['obs'][0])"]
)
def test_a_second_one_ends_the_next_call_and_the_process(call: str) -> None:
    """The next call waits for the update; it hears Ctrl-C, too, and the process ends as Python's do."""
    process: Any = subprocess.Popen(
        [sys.executable, "-c", PROGRAM.replace("CALL", call)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        for word, last in (("update", "first"), ("first", "second")):
            assert process.stdout.readline().strip() == word
            time.sleep(0.2)
            began = time.monotonic()
            process.send_signal(signal.SIGINT)
            if last == "second":
                out, errors = process.communicate(timeout=20)
                assert out.strip() == "second"
                assert "KeyboardInterrupt" in errors and "panic" not in errors, errors
                assert time.monotonic() - began < 10
    finally:
        process.kill()
        process.communicate()
    # As Python itself ends after a KeyboardInterrupt that nobody took.
    assert process.returncode in (-signal.SIGINT, 130)


def test_two_at_once_leave_a_whole_state() -> None:
    """Both are heard as one, or the second in the next call; the update is done once, to the same bits."""
    import threading

    from test_native import native, slow_learner

    own, window = slow_learner(2)
    twin = native.Learner(own.spec, own.config, backend="cpu")
    twin.load_state(own.state())

    def press() -> None:
        for _ in range(2):
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.06)

    thread = threading.Timer(0.3, press)
    heard, state = 0, None
    thread.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            own.update(window)
        heard = 1
        while state is None:
            try:
                state = own.state()
            except KeyboardInterrupt:
                heard += 1
    except KeyboardInterrupt:
        heard += 1
        state = own.state()
    thread.join()
    assert heard <= 2
    twin.update(window)
    assert own.counters() == twin.counters() and np.array_equal(own.parameters(), twin.parameters())
    assert state == twin.state()


def test_ctrl_c_in_an_evaluation_by_draws_leaves_the_model_on_the_device() -> None:
    import threading

    import wgpo

    model: Any = wgpo.PPO("Pendulum-v1", on_device=True, num_envs=4, num_steps=16, verbose=0, backend="cpu").learn(64)
    before = model._trainer.state()
    thread = threading.Timer(0.3, lambda: os.kill(os.getpid(), signal.SIGINT))
    thread.start()
    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        model.evaluate(50_000, deterministic=False)
    assert time.monotonic() - began < 2
    thread.join()
    assert model._trainer.state() == before
    assert time.monotonic() - began < 3, "nothing is waited for"
    one, other = (model.evaluate(3, deterministic=False) for _ in range(2))
    assert one == other or repr(one) == repr(other), "the same draws each time"
