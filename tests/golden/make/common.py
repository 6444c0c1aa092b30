"""What the scripts of this folder share: seeded numbers, rollouts, and the writing of a case.

Each script runs the update code of one library as it is, in float64, and writes `library_update.*.safetensors` one folder up
(or where the first argument says). Rows are time-major: row = t * envs + env.
"""

import json
import os
import sys

import numpy as np
import torch
from safetensors.numpy import save_file

torch.set_num_threads(1)
torch.set_default_dtype(torch.float64)


def f32(array):
    """The nearest float32, kept as float64, so that every implementation starts from the same numbers."""
    return np.asarray(array, dtype=np.float32).astype(np.float64)


def out_folder():
    return sys.argv[1] if len(sys.argv) > 1 else os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")


def rollout(seed, steps, envs, obs_dim=3, action_dims=None, choices=None):
    """Observations, actions and ends; the policy's own numbers are filled in by `record`."""
    rng = np.random.default_rng(seed)
    terminated = rng.random((steps, envs)) < 0.08
    data = {
        "obs": f32(rng.normal(size=(steps, envs, obs_dim))),
        "next_obs": f32(rng.normal(size=(envs, obs_dim))),
        "rewards": f32(rng.normal(size=(steps, envs)) + 0.3),
        "terminated": terminated,
        "truncated": np.zeros_like(terminated),
        "noise": rng.normal(size=(steps, envs)),
        "value_noise": rng.normal(size=(steps, envs)),
    }
    if choices:
        data["actions"] = rng.integers(0, choices, size=(steps, envs))
    else:
        data["actions"] = f32(0.8 * rng.normal(size=(steps, envs, action_dims)))
    return data


def perturb(module, seed, scale=0.3):
    """Seeded parameters, exact in float32."""
    rng = np.random.default_rng(seed)
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            if "std" in name:
                continue
            fan = parameter.shape[-1] if parameter.ndim > 1 else 4
            parameter.copy_(torch.tensor(f32(rng.normal(size=tuple(parameter.shape)) * scale * 2 / np.sqrt(fan))))


def linear_layers(module):
    return [layer for layer in module.modules() if isinstance(layer, torch.nn.Linear)]


def parameters(actor, critic, extra=None):
    """Our names: `pi.<i>.weight`, `vf.<i>.bias`, and what `extra` has (`log_std`, `std`)."""
    named = {}
    for net, module in (("pi", actor), ("vf", critic)):
        for i, layer in enumerate(linear_layers(module)):
            named[f"{net}.{i}.weight"] = layer.weight.detach().clone().numpy()
            named[f"{net}.{i}.bias"] = layer.bias.detach().clone().numpy()
    for name, tensor in (extra or {}).items():
        named[name] = tensor.detach().clone().numpy().reshape(-1)
    return named


def sizes(module):
    layers = linear_layers(module)
    return ",".join(str(n) for n in [layers[0].in_features] + [layer.out_features for layer in layers])


class Orders:
    """Collects the permutations that a library draws."""

    def __init__(self, seed):
        self.rng = np.random.default_rng(seed)
        self.drawn = []

    def draw(self, n):
        order = self.rng.permutation(n)
        self.drawn.append(order.copy())
        return order


def write(case, library, version, preset, algorithm, overrides, settings, head, activation, before, after, inputs, stats, actor, critic, rounding, **more):
    """One file. `rounding` is what the library itself rounds, relative to the whole step: 0 where it is float64 throughout."""
    tensors = {}
    for name, array in before.items():
        tensors[f"in.{name}"] = np.asarray(array, dtype=np.float32)
        assert np.array_equal(tensors[f"in.{name}"].astype(np.float64), array), name
    for name, array in after.items():
        tensors[f"out.{name}"] = np.asarray(array, dtype=np.float64)
    for name, array in inputs.items():
        array = np.asarray(array)
        if array.dtype.kind in "iub":
            array = array.astype(np.int32)
        elif np.array_equal(array.astype(np.float32).astype(np.float64), array):
            array = array.astype(np.float32)
        tensors[f"in.{name}"] = array
    for name, value in stats.items():
        tensors[f"out.{name}"] = np.atleast_1d(np.asarray(value, dtype=np.int32 if isinstance(value, int) else np.float64))
    step = np.sqrt(sum(np.sum((after[n] - before[n]) ** 2) for n in before))
    metadata = {
        "kind": "library_update",
        "case": case,
        "source": f"{library} {version}, its own update, in float64",
        "library": library,
        "library_version": version,
        "torch_version": torch.__version__,
        "preset": preset,
        "algorithm": algorithm,
        "overrides": json.dumps(overrides, sort_keys=True),
        "settings": json.dumps(settings, sort_keys=True),
        "head": head,
        "activation": activation,
        "pi_sizes": sizes(actor),
        "vf_sizes": sizes(critic),
        "library_rounding": repr(float(rounding)),
        "step": repr(float(step)),
        "tolerance": "see README, library_update",
        **{key: str(value) for key, value in more.items()},
    }
    path = os.path.join(out_folder(), f"library_update.{case}.safetensors")
    save_file({name: np.ascontiguousarray(array) for name, array in tensors.items()}, path, metadata)
    print(f"{case}: step {step:.4g}, {os.path.getsize(path)} bytes, stats {stats}")
