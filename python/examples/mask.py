"""Actions that are not always allowed: a Dict observation with an `action_mask`.

Three doors; one of them is open, and only open ones may be chosen. Behind an open door is a reward of 1.
"""

import gymnasium as gym
import numpy as np
import wgpo


class Doors(gym.Env):
    observation_space = gym.spaces.Dict(
        {"observation": gym.spaces.Box(0, 1, (1,), np.float32), "action_mask": gym.spaces.MultiBinary(3)}
    )
    action_space = gym.spaces.Discrete(3)

    def _obs(self):
        self.open = np.zeros(3, np.int8)
        self.open[self.np_random.choice(3, 2, replace=False)] = 1
        return {"observation": np.array([self.steps / 10], np.float32), "action_mask": self.open}

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.steps = 0
        return self._obs(), {}

    def step(self, action):
        assert self.open[action], "this door is shut"
        self.steps += 1
        # The first door is worth the most.
        return self._obs(), [1.0, 0.5, 0.0][action], self.steps >= 10, False, {}


envs = gym.vector.SyncVectorEnv([Doors for _ in range(8)], autoreset_mode=gym.vector.AutoresetMode.SAME_STEP)
model = wgpo.PPO(envs, seed=1, num_steps=32, learning_rate=3e-3, gamma=0.9)
model.learn(10_000)
found = model.evaluate(50)
print(found)
# The first door if it is open, else the second: 10 · (2/3 · 1 + 1/3 · 0.5) on average.
assert found.mean > 7.5, "not learnt"
