"""RLlib's PPOTorchLearner.update() on a finished batch (advantages and value targets given, so without its connectors).
pip install 'ray[rllib]==2.60.0' torch==2.15.0 safetensors==0.8.0 numpy==2.4.6"""

from importlib.metadata import version

import gymnasium
import numpy as np
import torch
from ray.rllib.algorithms.ppo import PPOConfig
from ray.rllib.core.learner.torch import torch_learner
from ray.rllib.core.rl_module.default_model_config import DefaultModelConfig
from ray.rllib.policy.sample_batch import MultiAgentBatch, SampleBatch

import common

VERSION = "2.60.0"
assert version("ray") == VERSION
MODULE = "default_policy"


class Spaces(gymnasium.Env):
    observation_space = gymnasium.spaces.Box(-10, 10, (3,), np.float64)

    def __init__(self, config=None):
        self.action_space = gymnasium.spaces.Discrete(4)



def run(case, seed, rows, minibatch_size, settings, overrides):
    choices = 4
    data = common.rollout(seed, rows, 1, choices=choices)
    config = (
        PPOConfig().environment(Spaces)
        .rl_module(model_config=DefaultModelConfig(fcnet_hiddens=[8, 6], fcnet_activation="tanh", vf_share_layers=False))
        .training(**settings)
    )
    learner = config.build_learner(env=Spaces())
    module = learner.module[MODULE].unwrapped().double()
    actor = torch.nn.ModuleList([module.encoder.actor_encoder, module.pi])
    critic = torch.nn.ModuleList([module.encoder.critic_encoder, module.vf])
    common.perturb(actor, seed + 1)
    common.perturb(critic, seed + 2)
    before = common.parameters(actor, critic)
    obs = torch.tensor(data["obs"][:, 0])
    actions = torch.tensor(data["actions"][:, 0])
    with torch.no_grad():
        out = module.forward_train({"obs": obs})
        logits = common.f32(out["action_dist_inputs"].numpy() + 0.05 * np.random.default_rng(seed + 5).normal(size=(rows, choices)))
        values = module.compute_values({"obs": obs}).numpy()
    logp = torch.distributions.Categorical(logits=torch.tensor(logits)).log_prob(actions).numpy()
    logp = common.f32(logp)
    advantages = common.f32(data["noise"][:, 0])
    # As its connector leaves them, but for the artificial rows: mean 0, deviation (of n) 1, to what float32 holds.
    advantages = common.f32((advantages - advantages.mean()) / max(1e-4, advantages.std()))
    returns = common.f32(values + 2 * data["value_noise"][:, 0])
    batch = SampleBatch({
        "obs": obs, "actions": actions, "action_logp": torch.tensor(logp), "action_dist_inputs": torch.tensor(logits),
        "advantages": torch.tensor(advantages), "value_targets": torch.tensor(returns), "row": torch.arange(rows),
    })
    # Its conversion to tensors would make float32 of float64.
    torch_learner.convert_to_torch_tensor = lambda x, **_: x
    seen = []
    loss = learner.compute_loss_for_module

    def spy(*, batch, **more):
        seen.append(batch["row"].numpy().copy())
        return loss(batch=batch, **more)

    learner.compute_loss_for_module = spy
    np.random.seed(seed)
    kls, log = [], learner.metrics.log_dict
    learner.metrics.log_dict = lambda d, **k: (kls.append(float(d["mean_kl_loss"])) if "mean_kl_loss" in d else None, log(d, **k))[1]
    beta = learner.curr_kl_coeffs_per_module[MODULE]
    beta.data = beta.data.double()
    learner.update(
        batch=MultiAgentBatch({MODULE: batch}, env_steps=rows), minibatch_size=minibatch_size, num_epochs=config.num_epochs,
        shuffle_batch_per_epoch=True, timesteps={"num_env_steps_sampled_lifetime": 0},
    )
    visited = np.concatenate(seen)
    print([len(s) for s in seen], "first epoch in order:", np.array_equal(visited[:rows], np.arange(rows)), kls)
    assert len(visited) == rows * config.num_epochs, "epochs end inside a minibatch"
    common.write(
        case, "ray[rllib]", VERSION, "rllib-penalty", "ppo", overrides, {**settings, "minibatch_size": minibatch_size}, "categorical",
        "tanh", before, common.parameters(actor, critic),
        {
            "obs": obs.numpy(), "actions": actions.numpy(), "old_log_prob": logp, "old_params": logits, "advantages": advantages,
            "returns": returns, "old_values": common.f32(values), "minibatch_order": visited.reshape(config.num_epochs, rows),
        },
        {"kl_coef": float(beta), "kl": kls[-1]}, actor, critic, 1e-7,  # β is kept in float32
    )


SETTINGS = {"num_epochs": 3, "lr": 1e-3}
OURS = {"update_epochs": 3, "learning_rate": 1e-3, "norm_adv": "none"}
run("rllib_96_rows_by_32", 610, 96, 32, SETTINGS, {**OURS, "minibatch_size": 32})
run("rllib_kl_coeff_rises", 620, 64, 32, {**SETTINGS, "lr": 2e-2, "vf_clip_param": 1.0, "entropy_coeff": 0.01},
    {**OURS, "minibatch_size": 32, "learning_rate": 2e-2, "value_loss": {"clamp_error": {"max": 1.0}}, "ent_coef": 0.01})
