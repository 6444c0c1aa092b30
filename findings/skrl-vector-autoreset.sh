#!/usr/bin/env bash
# skrl steps a Gymnasium vector environment and stores what comes back as one transition after another, whatever its autoreset mode, and gymnasium.make_vec
# has NEXT_STEP: the step after an episode's end ignores the action and only resets. So each episode adds a transition that never happened:
# from the last observation to the first one of the next episode, reward 0, not terminated. Where the end was a truncation, whose last observation is
# bootstrapped from, its value is learned as gamma times that of an unrelated start. In SAME_STEP mode the next observation of a truncated episode's
# last transition is the first one of the next episode (the true one is in info["final_obs"]). Seen with skrl 2.1.1, Gymnasium 1.4.0 and PyTorch 2.15.0,
# truncation after 3 steps of reward 1, observations numbered by step, 10 later in the next episode; (observation, next observation, reward, terminated):
#   NEXT_STEP  (0, 1, 1, no) (1, 2, 1, no) (2, 3, 1, no) (3, 10, 0, no) (10, 11, 1, no) (11, 12, 1, no) (12, 13, 1, no) (13, 20, 0, no)
#   SAME_STEP  (0, 1, 1, no) (1, 2, 1, no) (2, 10, 1, no) (10, 11, 1, no) (11, 12, 1, no) (12, 20, 1, no) (20, 21, 1, no) (21, 22, 1, no)
# DQN on the same with one observation for all steps, gamma 0.9, where Q is 1 / (1 - 0.9) = 10: it learns 7.5 in NEXT_STEP mode, 10.0 in SAME_STEP mode and
# with the environment alone. With episodes of 200 steps it is 1 transition in 201.
# Exit code 0 as long as it is so. Needs python3 with venv, and PyPI (PyTorch: some GB).
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check skrl==2.1.1 torch==2.15.0 gymnasium==1.4.0 numpy==2.4.6
cd "$folder"
venv/bin/python -W ignore - <<'PYTHON'
import logging
import sys
from importlib.metadata import version
import gymnasium as gym
import numpy as np
import torch
from gymnasium.vector import AutoresetMode
from skrl.agents.torch.dqn import DQN, DQN_CFG
from skrl.envs.wrappers.torch import wrap_env
from skrl.memories.torch import RandomMemory
from skrl.models.torch import DeterministicMixin, Model
from skrl.trainers.torch import SequentialTrainer

logging.disable(logging.WARNING)
torch.set_num_threads(1)
torch.manual_seed(0)
print("skrl", version("skrl"), "gymnasium", gym.__version__, "torch", torch.__version__)
print("mode of make_vec:", gym.make_vec("CartPole-v1", 2, vectorization_mode="sync").metadata["autoreset_mode"].name)


class Three(gym.Env):
    """Reward 1 a step, truncated after three. What it shows is the number of the step, or always 1."""

    observation_space = gym.spaces.Box(0.0, 1e6, (1,), np.float32)
    action_space = gym.spaces.Discrete(1)

    def __init__(self, numbered):
        self.numbered, self.first = numbered, -10

    def observation(self):
        return np.array([self.first + self.steps if self.numbered else 1], np.float32)

    def reset(self, *, seed=None, options=None):
        self.first, self.steps = self.first + 10, 0
        return self.observation(), {}

    def step(self, action):
        self.steps += 1
        return self.observation(), 1.0, False, self.steps == 3, {}


def trained(mode, numbered, steps):
    if mode is None:
        env = wrap_env(Three(numbered))
    else:
        gym.register("Three-v0", lambda: Three(numbered))
        env = wrap_env(gym.make_vec("Three-v0", 2, vectorization_mode="sync", vector_kwargs={"autoreset_mode": mode}))

    class Q(DeterministicMixin, Model):
        def __init__(self):
            Model.__init__(self, observation_space=env.observation_space, action_space=env.action_space, device="cpu")
            DeterministicMixin.__init__(self)
            self.value = torch.nn.Parameter(torch.zeros(1))

        def compute(self, inputs, role):
            return self.value * torch.ones_like(inputs["observations"]), {}

    cfg = DQN_CFG(learning_rate=0.02, polyak=0.05, discount_factor=0.9, target_update_interval=1, update_interval=1, batch_size=256)
    cfg.learning_starts = steps if numbered else 100
    cfg.experiment.write_interval = cfg.experiment.checkpoint_interval = 0
    memory = RandomMemory(memory_size=2 * steps, num_envs=env.num_envs, device="cpu")
    agent = DQN(
        models={"q_network": Q(), "target_q_network": Q()}, memory=memory, device="cpu", cfg=cfg,
        observation_space=env.observation_space, action_space=env.action_space,
    )
    SequentialTrainer(env=env, agents=agent, cfg={"timesteps": steps, "disable_progressbar": True, "headless": True}).train()
    return memory, agent


def rows(memory):
    """The first eight transitions of the first environment."""
    names = ["observations", "next_observations", "rewards", "terminated"]
    return list(zip(*[memory.tensors[name][:8, 0, 0].int().tolist() for name in names]))


def counted(*numbers):
    """Transitions from each first number to the second; the one that starts at an end has reward 0."""
    return [(at, following, 0 if at % 10 == 3 else 1, 0) for at, following in zip(numbers[::2], numbers[1::2])]


want = {
    AutoresetMode.NEXT_STEP: (counted(0, 1, 1, 2, 2, 3, 3, 10, 10, 11, 11, 12, 12, 13, 13, 20), 7.5),
    AutoresetMode.SAME_STEP: (counted(0, 1, 1, 2, 2, 10, 10, 11, 11, 12, 12, 20, 20, 21, 21, 22), 10),
    None: (counted(0, 1, 1, 2, 2, 3, 10, 11, 11, 12, 12, 13, 20, 21, 21, 22), 10),
}
right = True
for mode, (transitions, q) in want.items():
    got, learned = rows(trained(mode, True, 8)[0]), trained(mode, False, 2500)[1].q_network.value.item()
    print(mode.name if mode else "one environment, no vector", f"Q {learned:.2f}", *got)
    right = right and got == transitions and abs(learned - q) < 0.5
sys.exit(0 if right else "the behaviour has changed")
PYTHON
