"""Train CartPole in Gymnasium, look at it, save it, load it."""

import gymnasium as gym
import wgpo

envs = gym.make_vec("CartPole-v1", num_envs=8)
model = wgpo.PPO(envs, seed=1)
model.learn(40_000, log_dir="runs/cartpole")
print(model.evaluate(20))
model.save("cartpole.safetensors")

loaded = wgpo.PPO.load("cartpole.safetensors", verbose=0)
env = gym.make("CartPole-v1")
obs, _ = env.reset(seed=0)
total, over = 0.0, False
while not over:
    action, _ = loaded.predict(obs, deterministic=True)
    obs, reward, terminated, truncated, _ = env.step(action)
    total, over = total + float(reward), terminated or truncated
print(f"one episode with the loaded policy: {total:.0f}")
