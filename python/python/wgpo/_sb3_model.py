"""What a Stable-Baselines3 model is in wgpo's words: its networks, its settings, its optimiser, its rollout.

torch and Stable-Baselines3 are imported inside functions, so that the package works without them.
"""

from __future__ import annotations

from typing import Any, cast

import numpy as np

from . import _native
from ._spaces import ActionCodec, Array

#: The value of the metadata of an Adam or RMSProp moment: SB3's and PyTorch's name, ours.
MOMENTS = {
    "adam": {"exp_avg": "optimizer.exp_avg.", "exp_avg_sq": "optimizer.exp_avg_sq."},
    "rmsprop": {"square_avg": "optimizer.exp_avg_sq."},
}


class UnsupportedModel(_native.ConfigError):
    """A model that wgpo has no equal for; the sentence says what."""


#: Classes that learn from rollouts, and those that learn from a replay memory, by their names here.
ON_POLICY = {"PPO": "ppo", "A2C": "a2c", "TRPO": "trpo"}
OFF_POLICY = {"DQN": "dqn", "DDPG": "ddpg", "TD3": "td3", "SAC": "sac"}


def kind_of(model: Any, known: dict[str, str] = ON_POLICY) -> str:
    """``"ppo"``, ``"a2c"``, … by the class itself, so that MaskablePPO and the like are refused."""
    theirs = ", ".join(name for name in known if name != "TRPO")
    expected = f"expected Stable-Baselines3's {theirs}, or sb3-contrib's TRPO"
    for parent in type(model).__mro__:
        name = f"{parent.__module__}.{parent.__name__}"
        if name.startswith("stable_baselines3.") or name.startswith("sb3_contrib."):
            if parent.__name__ in known:
                return known[parent.__name__]
            raise UnsupportedModel(f"the model is a {parent.__name__}, {expected}")
    module = type(model).__module__.partition(".")[0]
    whose = "" if module in ("builtins", "__main__") else f" of {module}"
    raise UnsupportedModel(f"the model is a {type(model).__name__}{whose}, {expected}")


def refuse_sde(is_used: bool) -> None:
    """No policy here explores by gSDE."""
    if is_used:
        raise UnsupportedModel("the policy explores by gSDE (use_sde=True), which wgpo has not")


def layers_of(sequential: Any, last: Any, what: str) -> tuple[list[Any], str | None]:
    """The linear layers of ``sequential``, with ``last`` behind them, and their activation."""
    import torch

    activations = {
        torch.nn.Tanh: "tanh",
        torch.nn.ReLU: "relu",
        torch.nn.ELU: "elu",
        torch.nn.SiLU: "silu",
        torch.nn.GELU: "gelu_erf",
        torch.nn.Identity: "identity",
    }
    linear: list[Any] = []
    found: set[str] = set()
    for index, module in enumerate(sequential):
        if index % 2 == 0 and type(module) is torch.nn.Linear:
            linear.append(module)
        elif index % 2 == 1 and type(module) in activations:
            name = activations[type(module)]
            if name == "gelu_erf" and module.approximate == "tanh":
                name = "gelu_tanh"
            if name == "elu" and module.alpha != 1.0:
                raise UnsupportedModel(f"{what} has ELU with alpha {module.alpha}, wgpo's has 1")
            found.add(name)
        else:
            raise UnsupportedModel(
                f"{what} has {type(module).__name__} at place {index}: only Linear and an activation in turn are known"
            )
    if type(last) is not torch.nn.Linear:
        raise UnsupportedModel(f"{what} ends with {type(last).__name__}, expected Linear")
    if any(one.bias is None for one in [*linear, last]):
        raise UnsupportedModel(f"{what} has a layer without bias")
    if len(found) > 1:
        raise UnsupportedModel(f"{what} has several activations: {', '.join(sorted(found))}")
    return [*linear, last], next(iter(found), None)


class PolicyMap:
    """The parameters of an SB3 actor-critic policy, each with its name here."""

    def __init__(self, policy: Any) -> None:
        extractor = getattr(policy, "mlp_extractor", None)
        if extractor is None or not hasattr(policy, "action_net"):
            raise UnsupportedModel(f"the policy is a {type(policy).__name__}, expected an actor-critic MlpPolicy")
        if any(True for _ in policy.features_extractor.parameters()):
            raise UnsupportedModel(
                f"the policy's features come from a {type(policy.features_extractor).__name__} with weights (images?): wgpo has none"
            )
        refuse_sde(bool(getattr(policy, "use_sde", False)))
        if getattr(policy, "squash_output", False):
            raise UnsupportedModel(
                "the policy squashes its actions (squash_output=True), which wgpo's Gaussian does not"
            )
        actor, first = layers_of(extractor.policy_net, policy.action_net, "the actor")
        critic, second = layers_of(extractor.value_net, policy.value_net, "the critic")
        if first is not None and second is not None and first != second:
            raise UnsupportedModel(f"actor and critic have different activations: {first} and {second}")
        self.policy = policy
        codec = ActionCodec(policy.action_space)
        head = codec.head
        if head["kind"] == "gaussian":
            head = {**head, "std": {"from_state": False, "limit": "free"}}
        self.action_codec = codec
        self.spec: dict[str, Any] = {
            "obs_dim": int(actor[0].in_features),
            "trunk": [],
            "policy_hidden": [int(layer.out_features) for layer in actor[:-1]],
            "value_hidden": [int(layer.out_features) for layer in critic[:-1]],
            "activation": first or second or "tanh",
            "head": head,
        }
        self.tensors: dict[str, Any] = {}
        for name, layers in (("policy", actor), ("value", critic)):
            for index, layer in enumerate(layers):
                self.tensors[f"{name}.{index}.weight"] = layer.weight
                self.tensors[f"{name}.{index}.bias"] = layer.bias
        if head["kind"] == "gaussian":
            self.tensors["log_std"] = policy.log_std
        ours, theirs = (
            sum(one.numel() for one in self.tensors.values()),
            sum(one.numel() for one in policy.parameters()),
        )
        if ours != theirs:
            raise UnsupportedModel(
                f"the policy has {theirs} weights, of which {ours} are in its actor and critic: it has parts that wgpo does not know"
            )

    def get(self) -> dict[str, Array]:
        """The weights."""
        return {name: tensor.detach().cpu().numpy().astype(np.float32) for name, tensor in self.tensors.items()}

    def set(self, values: dict[str, Array]) -> None:
        """Replaces the weights in place."""
        import torch

        with torch.no_grad():
            for name, tensor in self.tensors.items():
                tensor.copy_(torch.from_numpy(np.array(values[name])).reshape(tensor.shape))


def optimizer_of(policy: Any) -> tuple[str, dict[str, Any]]:
    """The policy's optimiser: its kind here and its settings."""
    return optimizer_settings(policy.optimizer)


def optimizer_settings(optimizer: Any) -> tuple[str, dict[str, Any]]:
    """An optimiser's kind here and its settings."""
    import torch

    if len(optimizer.param_groups) != 1:
        raise UnsupportedModel(f"the optimiser has {len(optimizer.param_groups)} groups of parameters, expected 1")
    group = optimizer.param_groups[0]
    if any(group.get(flag) for flag in ("amsgrad", "maximize", "centered", "momentum")):
        raise UnsupportedModel("the optimiser has amsgrad, maximize, centered or momentum, which wgpo's have not")
    name = type(optimizer).__name__
    if type(optimizer) in (torch.optim.Adam, torch.optim.AdamW):
        beta1, beta2 = group["betas"]
        kind = "adam" if type(optimizer) is torch.optim.Adam else "adam_w"
        return "adam", {
            "optimizer": kind,
            "adam_beta1": float(beta1),
            "adam_beta2": float(beta2),
            "adam_eps": float(group["eps"]),
            "weight_decay": float(group["weight_decay"]),
        }
    if type(optimizer) is torch.optim.RMSprop:
        settings = {"optimizer": "rmsprop", "rmsprop_alpha": float(group["alpha"]), "rmsprop_eps": float(group["eps"])}
        return "rmsprop", {**settings, "weight_decay": float(group["weight_decay"])}
    raise UnsupportedModel(f"the optimiser is {name}, expected PyTorch's Adam, AdamW or RMSprop")


def get_moments(mapping: PolicyMap, kind: str) -> tuple[dict[str, Array], int]:
    """The optimiser's moments by their names here, and the steps that it has taken."""
    state = mapping.policy.optimizer.state
    found: dict[str, Array] = {}
    steps = 0
    for name, tensor in mapping.tensors.items():
        own = state.get(tensor, {})
        for theirs, ours in MOMENTS[kind].items():
            if theirs in own:
                found[ours + name] = own[theirs].detach().cpu().numpy().astype(np.float32)
            else:
                found[ours + name] = np.zeros(tuple(tensor.shape), np.float32)
        if "step" in own:
            steps = max(steps, int(own["step"]))
    return found, steps


def set_moments(
    mapping: PolicyMap, kind: str, moments: dict[str, Array], steps: int, skip: tuple[str, ...] = ()
) -> None:
    """Puts moments and the count of steps into the optimiser, in place where it has them. Names that begin with one of ``skip`` are left out."""
    import torch

    if steps == 0:
        return
    optimizer = mapping.policy.optimizer
    for name, tensor in mapping.tensors.items():
        if name.startswith(skip) and skip:
            continue
        own = optimizer.state[tensor]
        for theirs, ours in MOMENTS[kind].items():
            value = (
                torch.from_numpy(np.array(moments[ours + name])).to(tensor.device, tensor.dtype).reshape(tensor.shape)
            )
            if theirs in own:
                own[theirs].copy_(value)
            else:
                own[theirs] = value.clone()
        if isinstance(own.get("step"), torch.Tensor):
            own["step"].fill_(float(steps))
        else:
            own["step"] = torch.tensor(float(steps))


def config_of(model: Any, kind: str) -> dict[str, Any]:
    """Settings of ``model`` as an update would use them now (schedules at their present value), to be put over a preset's.

    Stable-Baselines3 takes whole rollouts and does not stop a schedule at its end: with ``lambda left: 3e-4 * left`` and a run whose length is no multiple
    of a rollout, the last update's step size is below 0, and the update climbs its loss. No update here does: the step size is 0 then.
    """
    progress = float(model._current_progress_remaining)
    _, optimizer = optimizer_of(model.policy)
    settings: dict[str, Any] = {
        **optimizer,
        "anneal_lr": False,
        "learning_rate": max(float(model.lr_schedule(progress)), 0.0),
        "gamma": float(model.gamma),
        "gae_lambda": float(model.gae_lambda),
        "num_envs": int(model.n_envs),
        "num_steps": int(model.n_steps),
    }
    if kind == "trpo":
        dims = 1
        if mapping_averages(model.action_space):
            dims = int(np.prod(model.action_space.shape, dtype=np.int64))
        settings |= {
            "minibatch_size": int(model.batch_size),
            "update_epochs": int(model.n_critic_updates),
            "norm_adv": "minibatch" if model.normalize_advantage else "none",
            "trust_region": {
                "max_kl": float(model.target_kl) * dims,
                "damping": float(model.cg_damping) * dims,
                "cg_iterations": int(model.cg_max_steps),
                "line_search_steps": int(model.line_search_max_iter),
                "line_search_factor": float(model.line_search_shrinking_factor),
                "subsample": int(model.sub_sampling_factor),
            },
        }
        return settings
    settings |= {
        "ent_coef": float(model.ent_coef),
        "vf_coef": float(model.vf_coef),
        "max_grad_norm": float(model.max_grad_norm),
        "norm_adv": "minibatch" if model.normalize_advantage else "none",
    }
    if kind == "ppo":
        settings |= {
            "minibatch_size": int(model.batch_size),
            "update_epochs": int(model.n_epochs),
            # A schedule may end at 0, where 1 ± this is 1, or below.
            "clip_coef": max(float(model.clip_range(progress)), 1e-12),
            "target_kl": float(model.target_kl) if model.target_kl is not None else "off",
        }
        if model.clip_range_vf is not None:
            settings |= {"value_loss": "clip_only", "clip_coef_vf": max(float(model.clip_range_vf(progress)), 1e-12)}
    return settings


def mapping_averages(space: Any) -> bool:
    """Whether sb3-contrib's KL of this space's distribution is a mean over dimensions, and not their sum."""
    import gymnasium as gym

    return isinstance(space, (gym.spaces.Box, gym.spaces.MultiBinary))


def orders_of(permutations: list[Array], kind: str, epochs: int, rows: int, subsample: int = 1) -> Array | None:
    """Permutations that ``RolloutBuffer.get`` drew, as an update here takes them: rows are the buffer's, environment by environment."""
    if kind == "a2c":
        return None
    drawn = [np.asarray(one, np.uint32) for one in permutations]
    if kind == "trpo":
        # The first is the policy's; the others are the critic's.
        policy, drawn = drawn[0], drawn[1:]
        if subsample > 1:
            chosen = policy[::subsample]
            rest = np.setdiff1d(policy, chosen, assume_unique=True)
            drawn = [*drawn, np.concatenate([chosen, rest])]
        return np.concatenate(drawn)
    while len(drawn) < epochs:
        # Epochs that an early stop left out are not looked at.
        drawn.append(np.arange(rows, dtype=np.uint32))
    return np.concatenate(drawn)


def batch_of(model: Any, mapping: PolicyMap) -> dict[str, Array]:
    """The rollout buffer as the rows of an update: environment by environment, as ``RolloutBuffer.get`` lays them, without changing the buffer."""
    import torch

    buffer = model.rollout_buffer
    if not buffer.full:
        raise ValueError(f"the rollout buffer has {buffer.pos} of {buffer.buffer_size} steps: collect a rollout first")

    def rows(array: Array) -> Array:
        if buffer.generator_ready:
            return array
        return cast(Array, array.swapaxes(0, 1).reshape(array.shape[0] * array.shape[1], *array.shape[2:]))

    observations = buffer.observations
    with torch.no_grad():
        features: Any
        if isinstance(observations, dict):
            features = {key: torch.as_tensor(rows(value), device=model.device) for key, value in observations.items()}
        else:
            features = torch.as_tensor(rows(observations), device=model.device)
        obs = model.policy.extract_features(features)
        if isinstance(obs, tuple):
            obs = obs[0]
    actions = rows(buffer.actions)
    head = mapping.spec["head"]["kind"]
    actions = actions.reshape(len(actions), -1)
    flat = {
        name: rows(getattr(buffer, name)).reshape(-1).astype(np.float32)
        for name in ("log_probs", "advantages", "returns", "values")
    }
    return {
        "obs": obs.cpu().numpy().astype(np.float32),
        "actions": actions.astype(np.float32) if head == "gaussian" else actions.astype(np.uint32),
        "logp_old": flat["log_probs"],
        "advantages": flat["advantages"],
        "returns": flat["returns"],
        "values_old": flat["values"],
    }
