"""A policy as an ONNX file, and its actions by onnxruntime."""

# needs: onnx onnxruntime

import numpy as np
import onnxruntime
import wgpo

# Observations are normalised inside the policy, and inside the file.
model = wgpo.PPO("Pendulum-v1", num_envs=4, preset="cleanrl", num_steps=256, seed=1)
model.learn(4096)
path = wgpo.to_onnx(model, "policy.onnx")

session = onnxruntime.InferenceSession(str(path))
obs = np.array([[1.0, 0.0, 0.5], [-1.0, 0.1, -3.0]], np.float32)
actions = session.run(["actions"], {"obs": obs})[0]
ours, _ = model.predict(obs, deterministic=True)
print("onnxruntime:", actions[:, 0], "wgpo:", ours[:, 0])
assert np.allclose(actions, ours, atol=1e-5)
