"""What a user of Stable-Baselines3 writes first, and what is said to it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import wgpo
from toys import Masked

HERE: dict[str, Any] = {"verbose": 0, "backend": "cpu"}


def test_words_of_networks() -> None:
    with pytest.raises(TypeError, match="no policies by name"):
        wgpo.PPO("MlpPolicy", "CartPole-v1", **HERE)
    with pytest.raises(wgpo.ConfigError, match="envs comes first"):
        wgpo.PPO("MlpPolicy", **HERE)
    for hidden in (32, [-3], "64,64", {"pi": [3]}, [1.5], [True - 1]):
        with pytest.raises(wgpo.ConfigError, match="hidden: is .*expected a list of widths"):
            wgpo.PPO("CartPole-v1", hidden=hidden, **HERE)  # type: ignore[arg-type]
    assert wgpo.PPO("CartPole-v1", hidden=(np.int64(8), 8), **HERE).spec["policy_hidden"] == [8, 8]
    for activation in ("ReLU", dict):
        with pytest.raises(wgpo.ConfigError, match="activation: is .*expected one of identity, tanh"):
            wgpo.PPO("CartPole-v1", activation=activation, **HERE)  # type: ignore[arg-type]


def test_steps_are_whole() -> None:
    model = wgpo.PPO("CartPole-v1", hidden=[8], num_steps=32, **HERE).learn(6.4e1)
    assert model.num_timesteps == 64
    for steps in (0, -1, 1.5, float("nan"), "100", True):
        with pytest.raises(wgpo.ConfigError, match="total_timesteps is"):
            model.learn(steps)  # type: ignore[arg-type]
    assert model.num_timesteps == 64


def test_files_that_are_none(tmp_path: Path) -> None:
    path = tmp_path / "junk"
    path.write_bytes(b"junk" * 9)
    with pytest.raises(wgpo.FormatError, match="no safetensors file"):
        wgpo.PPO.load(path, **HERE)
    pytest.importorskip("torch")
    with pytest.raises(wgpo.FormatError, match="no zip file"):
        wgpo.from_sb3(path)


def test_observations_that_are_no_dictionary() -> None:
    model = wgpo.PPO(gym.wrappers.TimeLimit(Masked(), 9), num_steps=32, **HERE)
    with pytest.raises(wgpo.DataError, match="lacks action_mask"):
        model.predict({"observation": np.zeros(3)})
    with pytest.raises(wgpo.DataError, match="expected a dictionary of"):
        model.predict(np.zeros(8))


def test_dictionaries_of_arrays() -> None:
    """Each mistake is said before anything is computed."""
    model = wgpo.PPO("CartPole-v1", hidden=[8], **HERE)
    weights, rows = model.parameters(), 16
    batch = {name: np.zeros(rows) for name in ("logp_old", "advantages", "returns", "values_old")}
    batch |= {"obs": np.zeros((rows, 4)), "actions": np.zeros(rows, np.int64)}
    given: dict[str, Any] = {"spec": model.spec, "before": weights, "after": weights, "batch": batch}
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"statistic": {}}, "did you mean statistics"),
        ({"algorithm": "sac"}, "learns from rollouts"),
        ({"spec": {"obs_dim": 4}}, "spec lacks head"),
        ({"after": {"actor.weight": weights["policy.0.weight"]}}, r"after: the policy has no 'actor.weight'"),
        ({"after": {"policy.0.weight": np.zeros((3, 3))}}, r"policy.0.weight has shape \[3, 3\], expected \[8, 4\]"),
        ({"before": {**weights, "policy.0.bias": np.zeros(2)}}, r"policy.0.bias has shape \[2\], expected \[8\]"),
        ({"before": {"policy.0.bias": np.zeros(8)}}, "before lacks .*policy.0.weight"),
    ]
    for change, words in wrong:
        with pytest.raises(ValueError, match=words):
            wgpo.crosscheck({**given, **change}, verbose=False)
    with pytest.raises(wgpo.UnsupportedModel, match="the model is a PPO of wgpo"):
        wgpo.crosscheck(model)
    torch = pytest.importorskip("torch")
    tensors = {name: torch.nn.Parameter(torch.tensor(value)) for name, value in weights.items()}
    assert wgpo.crosscheck({**given, "before": tensors}, verbose=False).rows
