#!/usr/bin/env bash
# The checkpoints of SAC in skrl and in rl_games hold the optimizer of the temperature, with its moments, and not the temperature. A run that goes
# on from a checkpoint gets back its networks, targets and all optimizers, and starts again from the temperature of the settings, with nothing said:
# an agent whose temperature had come down explores, and is rewarded for entropy, as on its first day, while its Q-values are those of
# the lower one. Seen with skrl 2.1.1, rl-games 1.6.5 and PyTorch 2.15.0 (Pendulum, 300 environment steps, learning rate 0.01 to make it short):
#   skrl:      0.2 in the settings, 0.0129 when saved, 0.2 after loading; the networks are the saved ones, the optimizer says 300 steps
#   rl_games:  1 in the settings, 0.156 when saved, 1 after loading; the networks are the saved ones, the optimizer says 300 steps
# Both keep the logarithm of the temperature as a tensor beside the networks. PFRL 0.4.0, mushroom-rl 1.10.2 and Stable-Baselines3 save theirs.
# Exit code 0 as long as it is so. Needs python3 with venv, and PyPI (PyTorch: some GB).
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
    skrl==2.1.1 rl-games==1.6.5 torch==2.15.0 gymnasium==1.4.0 numpy==2.4.6
cd "$folder"
venv/bin/python -W ignore - <<'PYTHON'
import contextlib
import io
import logging
import sys
from importlib.metadata import version
import gymnasium as gym
import numpy as np
import torch
from torch import nn

logging.disable(logging.WARNING)
torch.set_num_threads(1)
torch.manual_seed(0)
print("skrl", version("skrl"), "rl-games", version("rl-games"), "torch", torch.__version__)


def skrl_agent():
    from skrl.agents.torch.sac import SAC, SAC_CFG
    from skrl.envs.wrappers.torch import wrap_env
    from skrl.memories.torch import RandomMemory
    from skrl.models.torch import DeterministicMixin, GaussianMixin, Model

    env = wrap_env(gym.make("Pendulum-v1"))

    class Policy(GaussianMixin, Model):
        def __init__(self):
            Model.__init__(self, observation_space=env.observation_space, action_space=env.action_space, device="cpu")
            GaussianMixin.__init__(self, clip_actions=True)
            self.net, self.log_std = nn.Linear(3, 1), nn.Parameter(torch.zeros(1))

        def compute(self, inputs, role):
            return torch.tanh(self.net(inputs["observations"])), {"log_std": self.log_std}

    class Critic(DeterministicMixin, Model):
        def __init__(self):
            Model.__init__(self, observation_space=env.observation_space, action_space=env.action_space, device="cpu")
            DeterministicMixin.__init__(self)
            self.net = nn.Linear(4, 1)

        def compute(self, inputs, role):
            return self.net(torch.cat([inputs["observations"], inputs["taken_actions"]], 1)), {}

    models = {name: Critic() for name in ["critic_1", "critic_2", "target_critic_1", "target_critic_2"]}
    return env, SAC(
        models={"policy": Policy(), **models}, memory=RandomMemory(memory_size=1000), device="cpu",
        observation_space=env.observation_space, action_space=env.action_space,
        cfg=SAC_CFG(learning_rate=1e-2, initial_entropy_value=0.2),
    )


def skrl_temperatures():
    from skrl.trainers.torch import SequentialTrainer

    env, agent = skrl_agent()
    before = agent.log_entropy_coefficient.exp().item()
    agent.cfg.experiment.write_interval = agent.cfg.experiment.checkpoint_interval = 0
    SequentialTrainer(env=env, agents=agent, cfg={"timesteps": 300, "disable_progressbar": True, "headless": True}).train()
    agent.save("skrl.pt")
    loaded = skrl_agent()[1]
    loaded.load("skrl.pt")
    same = all(
        torch.equal(a, b)
        for name in agent.models for a, b in zip(agent.models[name].parameters(), loaded.models[name].parameters())
    )
    steps = int(next(iter(loaded.entropy_optimizer.state_dict()["state"].values()))["step"])
    return before, agent.log_entropy_coefficient.exp().item(), loaded.log_entropy_coefficient.exp().item(), same, steps


def rl_games_agent():
    from rl_games.common import env_configurations, vecenv
    from rl_games.common.algo_observer import DefaultAlgoObserver
    from rl_games.common.ivecenv import IVecEnv
    from rl_games.torch_runner import Runner

    class Pendulum(IVecEnv):
        def __init__(self):
            self.env = gym.make("Pendulum-v1")

        def reset(self):
            return self.env.reset(seed=0)[0][None]

        def step(self, actions):
            obs, reward, terminated, truncated, _ = self.env.step(actions[0])
            end = terminated or truncated
            obs = self.env.reset()[0] if end else obs
            return obs[None], np.array([reward]), np.array([end]), {"time_outs": np.array([truncated])}

        def get_env_info(self):
            return {"observation_space": self.env.observation_space, "action_space": self.env.action_space, "agents": 1}

    vecenv.register("ONE", lambda name, actors, **kwargs: Pendulum())
    env_configurations.register("pendulum", {"env_creator": Pendulum, "vecenv_type": "ONE"})
    runner = Runner(DefaultAlgoObserver())
    runner.load({"params": {
        "seed": 0,
        "algo": {"name": "sac"},
        "model": {"name": "soft_actor_critic"},
        "network": {
            "name": "soft_actor_critic", "separate": True, "space": {"continuous": None}, "log_std_bounds": [-5, 2],
            "mlp": {"units": [8], "activation": "relu", "initializer": {"name": "default"}},
        },
        "config": {
            "name": "pendulum", "env_name": "pendulum", "device": "cpu", "num_actors": 1, "reward_shaper": {"scale_value": 1},
            "batch_size": 64, "replay_buffer_size": 1000, "init_alpha": 1, "learnable_temperature": True, "policy_frequency": 1,
            "actor_lr": 1e-2, "critic_lr": 1e-2, "alpha_lr": 1e-2, "num_warmup_steps": 0, "max_epochs": 300, "print_stats": False,
        },
    }})
    return runner.algo_factory.create("sac", base_name="run", params=runner.params)


def rl_games_temperatures():
    agent = rl_games_agent()
    before = agent.alpha.item()
    agent.train()
    agent.save("rl_games")
    loaded = rl_games_agent()
    loaded.restore("rl_games.pth")
    same = all(torch.equal(a, b) for a, b in zip(agent.model.parameters(), loaded.model.parameters()))
    steps = int(next(iter(loaded.log_alpha_optimizer.state_dict()["state"].values()))["step"])
    return before, agent.alpha.item(), loaded.alpha.item(), same, steps


right = True
for name, run in [("skrl", skrl_temperatures), ("rl_games", rl_games_temperatures)]:
    with contextlib.redirect_stdout(io.StringIO()):
        before, saved, loaded, same, steps = run()
    print(f"{name}: temperature {before:.3g} in the settings, {saved:.3g} when saved, {loaded:.3g} after loading; "
          f"networks are the saved ones: {same}; steps that the loaded optimizer of the temperature has taken: {steps}")
    right = right and same and steps >= 290 and saved < before / 2 and abs(loaded - before) < 1e-6
sys.exit(0 if right else "the behaviour has changed")
PYTHON
