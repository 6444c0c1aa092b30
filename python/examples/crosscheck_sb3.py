"""Whether Stable-Baselines3's update and ours are the same, and SB3 with our update inside."""

# needs: stable_baselines3

import time

import wgpo
from stable_baselines3 import PPO
from stable_baselines3.common.env_util import make_vec_env

model = PPO("MlpPolicy", make_vec_env("CartPole-v1", 8, seed=1), n_steps=128, seed=1, device="cpu")
table = wgpo.crosscheck(model)
assert table.ok

for name, one in (("Stable-Baselines3's train()", model), ("wgpo's", wgpo.sb3.accelerate(model))):
    began = time.perf_counter()
    one.train()
    print(f"{name}: {1e3 * (time.perf_counter() - began):.0f} ms")
