"""Gradient steps of a Stable-Baselines3 ``DQN``, ``DDPG``, ``TD3`` or ``SAC``: what it draws for them, and the same steps here."""

from __future__ import annotations

import contextlib
import json
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from . import _native
from ._files import read_bytes, write_bytes
from ._sb3_model import MOMENTS, UnsupportedModel, layers_of, optimizer_settings, refuse_sde
from ._spaces import ActionCodec, Array
from ._spec import config_with

#: What Stable-Baselines3's float32 computes 1 − tanh² to: five roundings of 2⁻²⁴, two of tanh, which count twice, and one of the square.
SQUASH_ROUNDING = 5.0 * 2.0**-24

#: Added inside its logarithm there.
SQUASH_EPSILON = 1e-6


#: The limits of SAC's log σ there.
SAC_LIMIT = {"clamp": {"low": -20.0, "high": 2.0}}


@dataclass
class Net:
    """A network: its layers, each of one module or (SAC's mean and deviation) of several whose outputs are put side by side."""

    name: str
    layers: list[list[Any]]
    optimizer: Any

    def tensors(self) -> dict[str, list[Any]]:
        """Weights and biases by their names here."""
        return {
            f"{self.name}.{index}.{part}": [getattr(module, part) for module in modules]
            for index, modules in enumerate(self.layers)
            for part in ("weight", "bias")
        }

    def widths(self) -> list[int]:
        """Outputs of each layer."""
        return [sum(int(module.out_features) for module in modules) for modules in self.layers]


def spec_of(kind: str, obs_dim: int, widths: dict[str, list[int]], activation: str, head: dict[str, Any]) -> dict[str, Any]:
    """The spec of networks with these outputs of each layer, and of a head whose kind and deviation are the algorithm's."""
    if kind != "dqn":
        limit = SAC_LIMIT if kind == "sac" else "free"
        head = {**head, "kind": "tanh_gaussian", "std": {"from_state": kind == "sac", "limit": limit}}
    return {
        "obs_dim": obs_dim,
        "trunk": [],
        "policy_hidden": [],
        "value_hidden": [],
        "activation": activation,
        "head": head,
        "branches": [
            {
                "name": name,
                "input": "obs_action" if name[0] == "q" else "obs",
                "layers": [{"kind": "dense", "outputs": width} for width in own],
            }
            for name, own in widths.items()
        ],
    }


class OffPolicyMap:
    """The networks of an off-policy model, each with its name here."""

    def __init__(self, model: Any, kind: str) -> None:
        self.model, self.kind = model, kind
        refuse_sde(bool(getattr(model, "use_sde", False)))
        policy = model.policy
        self.first = policy.q_net if kind == "dqn" else policy.actor
        if any(True for _ in self.first.features_extractor.parameters()):
            raise UnsupportedModel(
                f"the policy's features come from a {type(self.first.features_extractor).__name__} with weights (images?): wgpo has none"
            )
        found: set[str | None] = set()
        if kind == "dqn":
            self.nets = [self._critic("policy", policy.q_net.q_net, policy.optimizer, found)]
            self.targets = [self._critic("policy", policy.q_net_target.q_net, None, found)]
        else:
            wanted = 1 if kind == "ddpg" else 2
            if len(policy.critic.q_networks) != wanted:
                raise UnsupportedModel(
                    f"the model has {len(policy.critic.q_networks)} critics (n_critics), wgpo's {kind} has {wanted}"
                )
            self.nets = [self._actor(policy.actor, policy.actor.optimizer, found)]
            self.targets = [] if kind == "sac" else [self._actor(policy.actor_target, None, found)]
            for critic, optimizer, nets in (
                (policy.critic, policy.critic.optimizer, self.nets),
                (policy.critic_target, None, self.targets),
            ):
                nets += [
                    self._critic(f"q{index + 1}", one, optimizer, found) for index, one in enumerate(critic.q_networks)
                ]
        if len(found - {None}) > 1:
            raise UnsupportedModel(
                f"the networks have different activations: {' and '.join(sorted(str(name) for name in found - {None}))}"
            )
        self.spec = spec_of(
            kind,
            int(self.nets[0].layers[0][0].in_features),
            {net.name: net.widths() for net in self.nets},
            next(iter(found - {None}), None) or "relu",
            ActionCodec(model.action_space).head,
        )

    @staticmethod
    def _critic(name: str, sequential: Any, optimizer: Any, found: set[str | None]) -> Net:
        layers, activation = layers_of(sequential[:-1], sequential[-1], f"the network {name}")
        found.add(activation)
        return Net(name, [[layer] for layer in layers], optimizer)

    def _actor(self, actor: Any, optimizer: Any, found: set[str | None]) -> Net:
        import torch

        if self.kind == "sac":
            layers, activation = layers_of(actor.latent_pi, actor.mu, "the actor")
            if type(actor.log_std) is not torch.nn.Linear:
                raise UnsupportedModel(f"the actor's log_std is a {type(actor.log_std).__name__}, expected Linear")
            grouped = [[layer] for layer in layers[:-1]] + [[actor.mu, actor.log_std]]
        else:
            if len(actor.mu) < 2 or type(actor.mu[-1]) is not torch.nn.Tanh:
                raise UnsupportedModel(f"the actor ends with {type(actor.mu[-1]).__name__}, expected Tanh")
            layers, activation = layers_of(actor.mu[:-2], actor.mu[-2], "the actor")
            grouped = [[layer] for layer in layers]
        found.add(activation)
        return Net("policy", grouped, optimizer)

    def optimizers(self) -> list[Any]:
        """Those of the networks and, in SAC, of a temperature that is trained."""
        unique = list({id(net.optimizer): net.optimizer for net in self.nets}.values())
        own = getattr(self.model, "ent_coef_optimizer", None)
        return unique if own is None else [*unique, own]

    def parameters(self) -> list[Any]:
        """Every tensor that a gradient step changes."""
        tensors = [one for net in [*self.nets, *self.targets] for group in net.tensors().values() for one in group]
        own = getattr(self.model, "log_ent_coef", None)
        return tensors if own is None else [*tensors, own]

    def settings(self) -> dict[str, Any]:
        """Settings as a gradient step would use them now, to be put over the preset ``sb3``."""
        model = self.model
        rate = max(float(model.lr_schedule(model._current_progress_remaining)), 0.0)
        own = [optimizer_settings(optimizer)[1] for optimizer in self.optimizers()]
        if own[0]["optimizer"] not in ("adam", "adam_w"):
            raise UnsupportedModel(
                f"the optimiser is {type(self.optimizers()[0]).__name__}; off-policy, wgpo has Adam and AdamW"
            )
        moments = ("adam_beta1", "adam_beta2", "adam_eps")
        if any(one.get(key) != own[0][key] for one in own for key in moments):
            raise UnsupportedModel("the optimisers of networks and temperature have different betas or ε, wgpo's alike")
        settings: dict[str, Any] = {**own[0], "learning_rate": rate, "gamma": float(model.gamma)}
        if self.kind == "dqn":
            # The target moves between environment steps there, not in ``train``.
            return settings | {"max_grad_norm": float(model.max_grad_norm), "target_network_frequency": 10**12}
        settings |= {"policy_lr": rate, "tau": float(model.tau)}
        if self.kind == "sac":
            settings |= {
                "autotune": model.ent_coef_optimizer is not None,
                "alpha_lr": rate,
                "squash_epsilon": SQUASH_EPSILON,
                "target_network_frequency": int(model.target_update_interval),
            }
            if model.ent_coef_optimizer is None:
                return settings | {"alpha": float(model.ent_coef_tensor)}
            return settings | {"target_entropy": float(model.target_entropy)}
        settings["policy_frequency"] = int(model.policy_delay)
        noise = {"policy_noise": float(model.target_policy_noise), "noise_clip": float(model.target_noise_clip)}
        # DDPG's is clipped to 0 there.
        return settings | (noise if self.kind == "td3" else {"policy_noise": 0.0, "noise_clip": 0.0})

    def config(self, rows: int) -> dict[str, Any]:
        """The settings of a learner for batches of ``rows`` transitions."""
        base = _native.default_config(self.kind, "sb3", self.kind == "dqn")
        return config_with(self.kind, base, {**self.settings(), "batch_size": rows, "buffer_size": max(rows, 2)})


@dataclass
class Numbers:
    """Everything that gradient steps change, by its names here."""

    parameters: dict[str, Array]
    targets: dict[str, Array]
    moments: dict[str, Array]
    #: Counts, and the temperature with its moments.
    table: dict[str, float]

    @classmethod
    def of_model(cls, mapping: OffPolicyMap) -> Numbers:
        """The model's."""
        parameters, moments, steps = {}, {}, {}
        for net in mapping.nets:
            count = 0
            for name, group in net.tensors().items():
                parameters[name] = _joined(group)
                states = [net.optimizer.state.get(tensor, {}) for tensor in group]
                count = max([count, *(int(state["step"]) for state in states if "step" in state)])
                for theirs, ours in MOMENTS["adam"].items():
                    zeros = [tensor.detach() * 0.0 for tensor in group]
                    own = [state.get(theirs, zero) for state, zero in zip(states, zeros, strict=True)]
                    moments[ours + name] = _joined(own)
            steps[net.name] = count
        targets = {name: _joined(group) for net in mapping.targets for name, group in net.tensors().items()}
        table: dict[str, float] = {"optimizer_step": steps["policy" if mapping.kind == "dqn" else "q1"]}
        if mapping.kind != "dqn":
            table["policy_optimizer_step"] = steps["policy"]
        optimizer = getattr(mapping.model, "ent_coef_optimizer", None)
        if optimizer is not None:
            state = optimizer.state.get(mapping.model.log_ent_coef, {})
            table["log_alpha"] = float(mapping.model.log_ent_coef.detach())
            table["alpha_optimizer_step"] = int(state.get("step", 0))
            for theirs in ("exp_avg", "exp_avg_sq"):
                table[f"alpha_{theirs}"] = float(state.get(theirs, 0.0))
        return cls(parameters, targets, moments, table)


def _joined(tensors: list[Any]) -> Array:
    """Tensors one after the other in their first dimension."""
    return np.concatenate([tensor.detach().cpu().numpy().astype(np.float32) for tensor in tensors])


@dataclass
class Drawn:
    """The batches of gradient steps, each with the noise that the step then drew."""

    batches: list[dict[str, Array]] = field(default_factory=list)
    #: What rounding does to SAC's log π there, the mean of a batch, in nats.
    logp_rounding: list[float] = field(default_factory=list)


@contextlib.contextmanager
def recorded(mapping: OffPolicyMap) -> Iterator[Drawn]:
    """Keeps what ``train`` samples inside. Noise is drawn here first, from PyTorch's generator as it then is, which is put back."""
    import torch

    model, drawn = mapping.model, Drawn()
    buffer = model.replay_buffer
    device, own, given = torch.device(model.device), buffer.sample, "sample" in vars(buffer)

    def sample(*args: Any, **kwargs: Any) -> Any:
        taken = own(*args, **kwargs)
        with torch.no_grad(), torch.random.fork_rng([] if device.type == "cpu" else [device], device_type=device.type):
            _take(mapping, taken, drawn)
        return taken

    buffer.sample = sample
    try:
        yield drawn
    finally:
        if given:
            buffer.sample = own
        else:
            del buffer.sample


def _take(mapping: OffPolicyMap, taken: Any, drawn: Drawn) -> None:
    import torch

    model, kind, first = mapping.model, mapping.kind, mapping.first
    extractor = first.features_extractor
    rows = len(taken.rewards)
    discounts = getattr(taken, "discounts", None)
    batch = {
        "obs": first.extract_features(taken.observations, extractor),
        "next_obs": first.extract_features(taken.next_observations, extractor),
        "actions": taken.actions,
        "rewards": taken.rewards.reshape(-1),
        "terminated": taken.dones.reshape(-1),
        "discounts": torch.full((rows,), model.gamma) if discounts is None else discounts.reshape(-1),
    }
    if kind == "td3" and model.target_policy_noise > 0.0:
        noise = taken.actions.clone().data.normal_(0, model.target_policy_noise)
        batch["next_noise"] = noise / model.target_policy_noise
    if kind == "sac":
        # As torch.distributions.Normal.rsample draws: for the observations, then for the next ones.
        rounding = 0.0
        for name, obs in (("noise", taken.observations), ("next_noise", taken.next_observations)):
            mean, log_std, _ = first.get_action_dist_params(obs)
            batch[name] = torch.normal(torch.zeros_like(mean), torch.ones_like(mean))
            action = torch.tanh(mean.double() + log_std.double().exp() * batch[name].double())
            apart = SQUASH_ROUNDING / (1.0 - action.square() + SQUASH_EPSILON)
            rounding = max(rounding, float(apart.sum(dim=1).mean()))
        drawn.logp_rounding.append(rounding)
    arrays = {name: tensor.detach().cpu().numpy() for name, tensor in batch.items()}
    whole = ("actions", "terminated") if kind == "dqn" else ("terminated",)
    drawn.batches.append(
        {
            name: np.ascontiguousarray(array.astype(np.uint32 if name in whole else np.float32))
            for name, array in arrays.items()
        }
    )


def repeated(
    mapping: OffPolicyMap, before: Numbers, drawn: Drawn, taken: int, config: dict[str, Any], backend: str
) -> tuple[Numbers, dict[str, float]]:
    """The same gradient steps here, from ``before``, after ``taken`` ones; what they leave, and statistics under their tags there."""
    kind = mapping.kind
    learner = _native.OffPolicyLearner(json.dumps(mapping.spec), json.dumps(config), backend=backend, seed=0)
    tensors, found = read_bytes(learner.state(False))
    given = {**before.parameters, **before.moments, **{f"target.{name}": one for name, one in before.targets.items()}}
    for name, value in given.items():
        tensors[name] = np.asarray(value, np.float32).reshape(tensors[name].shape)
    # Stable-Baselines3's SAC counts the steps of its targets within a call, and moves them at the first.
    begun = int(config["target_network_frequency"]) - 1 if kind == "sac" else taken
    counts = {key: str(int(value) if key.endswith("step") else value) for key, value in before.table.items()}
    learner.load_state(write_bytes(tensors, {**found.table, **counts, "gradient_steps": str(begun)}))
    critic, actor, entropies, alphas = [], [], [], []
    for index, batch in enumerate(drawn.batches):
        stats = learner.learn_batch(batch)
        critic.append(float(stats["value_loss"]))
        if kind != "dqn" and (begun + index + 1) % int(config["policy_frequency"]) == 0:
            actor.append(float(stats["policy_loss"]))
            entropies.append(float(stats["entropy"]))
        alphas.append(stats["off_policy"]["alpha"])
    tags = {"train/loss" if kind == "dqn" else "train/critic_loss": float(np.mean(critic))}
    if actor:
        tags["train/actor_loss"] = float(np.mean(actor))
    if kind == "sac":
        start = math.exp(before.table["log_alpha"]) if config["autotune"] else float(config["alpha"])
        used = np.array([start, *alphas[:-1]])
        tags["train/ent_coef"] = float(np.mean(used))
        if config["autotune"]:
            losses = np.log(used) * (np.array(entropies) - config["target_entropy"])
            tags["train/ent_coef_loss"] = float(np.mean(losses))
    tensors, found = read_bytes(learner.state(False))
    return (
        Numbers(
            {name: tensors[name] for name in before.parameters},
            {name: tensors[f"target.{name}"] for name in before.targets},
            {name: tensors[name] for name in before.moments},
            {key: float(found.table[key]) for key in before.table},
        ),
        tags,
    )
