"""wgpo's update inside Stable-Baselines3."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import wgpo

torch = pytest.importorskip("torch")
sb3 = pytest.importorskip("stable_baselines3")
contrib = pytest.importorskip("sb3_contrib")

CASES: list[Any] = [
    (sb3.PPO, "CartPole-v1", {"n_steps": 128, "n_epochs": 4}),
    (sb3.PPO, "Pendulum-v1", {"n_steps": 64, "n_epochs": 4, "learning_rate": lambda left: 1e-3 * left}),
    (sb3.PPO, "Pendulum-v1", {"n_steps": 64, "n_epochs": 10, "target_kl": 1e-4}),
    (sb3.A2C, "CartPole-v1", {}),
    (contrib.TRPO, "CartPole-v1", {"n_steps": 128}),
]


def made(kind: Any, env: str, settings: dict[str, Any]) -> Any:
    from stable_baselines3.common.env_util import make_vec_env

    return kind("MlpPolicy", make_vec_env(env, 2, seed=1), seed=1, device="cpu", **settings)


@pytest.mark.parametrize(
    ("kind", "env", "settings"), CASES, ids=lambda value: getattr(value, "__name__", None) or str(value)[:40]
)
def test_the_same_run_but_for_rounding(kind: Any, env: str, settings: dict[str, Any]) -> None:
    """Two updates from the same seed: the same draws, the same tags, nearly the same weights and moments."""
    models: list[Any] = []
    records: list[dict[str, Any]] = [{}, {}]
    for record in records:
        # Making a model seeds NumPy's and PyTorch's generators.
        models.append(made(kind, env, settings))
        model = wgpo.sb3.accelerate(models[-1], backend="cpu") if len(models) == 2 else models[-1]
        model.learn(2 * model.n_steps * model.n_envs, log_interval=10_000)
        record.update(model.logger.name_to_value)
        record["drawn"] = np.random.random()
    plain, fast = models
    theirs, ours = records
    assert set(theirs) == set(ours)
    assert theirs["drawn"] == ours["drawn"], "the same draws of NumPy's generator"
    assert plain._n_updates == fast._n_updates
    for tag in theirs:
        if tag.startswith("train/"):
            assert ours[tag] == pytest.approx(theirs[tag], rel=5e-3, abs=2e-4), tag
    for (name, one), other in zip(plain.policy.state_dict().items(), fast.policy.state_dict().values(), strict=True):
        assert torch.allclose(one, other, atol=2e-4), (name, (one - other).abs().max())
    one, other = (model.policy.optimizer.state_dict()["state"] for model in (plain, fast))
    assert one.keys() == other.keys()
    for index in one:
        assert int(one[index]["step"]) == int(other[index]["step"])
        assert one[index].keys() == other[index].keys()


def test_it_learns_and_saves_as_before(tmp_path: Path) -> None:
    model = wgpo.sb3.accelerate(made(sb3.PPO, "CartPole-v1", {"n_steps": 256, "n_epochs": 10}), backend="cpu")
    model.learn(12_000)
    assert np.mean([episode["r"] for episode in model.ep_info_buffer]) > 60
    model.save(tmp_path / "model.zip")
    loaded = sb3.PPO.load(tmp_path / "model.zip", device="cpu")
    obs = np.random.default_rng(0).normal(size=(20, 4)).astype(np.float32)
    assert np.array_equal(loaded.predict(obs, deterministic=True)[0], model.predict(obs, deterministic=True)[0])
    assert "train" not in loaded.__dict__
    state, other = loaded.policy.optimizer.state_dict()["state"], model.policy.optimizer.state_dict()["state"]
    assert all(torch.equal(state[index]["exp_avg"], other[index]["exp_avg"]) for index in other)
    # A loaded model goes on, by itself and accelerated.
    loaded.set_env(model.get_env())
    loaded.learn(512)
    wgpo.sb3.accelerate(loaded, backend="cpu").learn(512)


def test_restore() -> None:
    model = made(sb3.PPO, "CartPole-v1", {"n_steps": 32})
    wgpo.sb3.accelerate(model, backend="cpu")
    assert "train" in model.__dict__
    wgpo.sb3.restore(model)
    assert not {"train", "_wgpo_updater", "_excluded_save_params"} & set(model.__dict__)
    model.learn(64)


def test_what_cannot_be_is_refused_and_left() -> None:
    model = made(sb3.PPO, "Pendulum-v1", {"use_sde": True})
    with pytest.raises(wgpo.UnsupportedModel):
        wgpo.sb3.accelerate(model)
    assert "train" not in model.__dict__


def test_crosscheck_of_an_accelerated_model_takes_its_own_train() -> None:
    model = wgpo.sb3.accelerate(made(sb3.PPO, "CartPole-v1", {"n_steps": 64, "n_epochs": 2}), backend="cpu")
    model.learn(128)
    assert wgpo.crosscheck(model, verbose=False).ok


def test_a_schedule_is_held_at_its_end() -> None:
    """Two rollouts for a run of one and a half: Stable-Baselines3's second step size is -1/3 of the first, ours 0."""
    rates = {"learning_rate": lambda left: 1e-3 * left, "clip_range": lambda left: 0.2 * left}
    model = wgpo.sb3.accelerate(made(sb3.PPO, "CartPole-v1", {"n_steps": 32, "n_epochs": 1, **rates}), backend="cpu")
    seen: list[Any] = []
    train = model.train
    model.train = lambda: (train(), seen.append([tensor.clone() for tensor in model.policy.parameters()]))
    model.learn(96)
    assert len(seen) == 2
    assert model._current_progress_remaining == pytest.approx(-1 / 3)
    first = [tensor.clone() for tensor in made(sb3.PPO, "CartPole-v1", {"n_steps": 32}).policy.parameters()]
    assert any(not torch.equal(one, other) for one, other in zip(first, seen[0], strict=True)), "the first update steps"
    assert all(torch.equal(one, other) for one, other in zip(*seen, strict=True)), "the second does not"
    with pytest.raises(wgpo.UnsupportedModel, match="past the end of its schedule"):
        wgpo.crosscheck(wgpo.sb3.restore(model), backend="cpu", verbose=False)
