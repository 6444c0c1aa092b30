"""skrl's PPO.update(). pip install skrl==2.1.1 torch==2.15.0 gymnasium==1.4.0 safetensors==0.8.0 numpy==2.4.6"""

from importlib.metadata import version

import gymnasium
import numpy as np
import torch
from skrl.agents.torch.ppo import PPO
from skrl.memories.torch import RandomMemory
from skrl.models.torch import DeterministicMixin, GaussianMixin, Model
from skrl.resources.schedulers.torch import KLAdaptiveLR

import common

VERSION = "2.1.1"
assert version("skrl") == VERSION
Linear, ELU, Sequential = torch.nn.Linear, torch.nn.ELU, torch.nn.Sequential
OBS = gymnasium.spaces.Box(-np.inf, np.inf, (3,), np.float64)
ACT = gymnasium.spaces.Box(-9, 9, (2,), np.float64)


class Policy(GaussianMixin, Model):
    def __init__(self):
        Model.__init__(self, observation_space=OBS, action_space=ACT, device="cpu")
        GaussianMixin.__init__(self)
        self.net = Sequential(Linear(3, 8), ELU(), Linear(8, 6), ELU(), Linear(6, 2))
        self.log_std = torch.nn.Parameter(torch.tensor(common.f32([-0.1, 0.2])))

    def compute(self, inputs, role):
        return self.net(inputs["observations"]), {"log_std": self.log_std}


class Value(DeterministicMixin, Model):
    def __init__(self):
        Model.__init__(self, observation_space=OBS, action_space=ACT, device="cpu")
        DeterministicMixin.__init__(self)
        self.net = Sequential(Linear(3, 7), ELU(), Linear(7, 1))

    def compute(self, inputs, role):
        return self.net(inputs["observations"]), {}


class Memory(RandomMemory):
    """The memory is float32 in the library; here it is widened, or the comparison would be one of its rounding."""

    def create_tensor(self, *, dtype=None, **more):
        return super().create_tensor(dtype=torch.float64 if dtype == torch.float32 else dtype, **more)


def run(case, seed, steps, envs, settings, overrides):
    data = common.rollout(seed, steps, envs, action_dims=2)
    policy, value = Policy(), Value()
    common.perturb(policy, seed + 1)
    common.perturb(value, seed + 2)
    memory = Memory(memory_size=steps, num_envs=envs, device="cpu")
    cfg = {"rollouts": steps, **settings}
    cfg["experiment"] = __import__("skrl.agents.torch.base", fromlist=["ExperimentCfg"]).ExperimentCfg(write_interval=0, checkpoint_interval=0)
    agent = PPO(models={"policy": policy, "value": value}, memory=memory, observation_space=OBS, action_space=ACT, device="cpu", cfg=cfg)
    agent.init()
    before = common.parameters(policy, value, {"log_std": policy.log_std})
    obs = torch.tensor(data["obs"])
    with torch.no_grad():
        taken = {"observations": obs, "taken_actions": torch.tensor(data["actions"])}
        logp = policy.act(taken, role="policy")[1]["log_prob"][..., 0].numpy()
        values = value.act({"observations": obs}, role="value")[0][..., 0].numpy()
        last = torch.tensor(data["next_obs"])
        last_values = value.act({"observations": last}, role="value")[0][:, 0].numpy()
    logp = common.f32(logp + 0.05 * data["noise"])
    values = common.f32(values + 0.1 * data["value_noise"])
    column = lambda array: torch.tensor(array)[:, None]
    for t in range(steps):
        memory.add_samples(
            observations=obs[t], actions=torch.tensor(data["actions"][t]), rewards=column(data["rewards"][t]),
            terminated=column(data["terminated"][t]), truncated=column(data["truncated"][t]),
            log_prob=column(logp[t]), values=column(values[t]),
        )
    agent._current_next_observations = last
    orders = common.Orders(seed + 3)
    draw, torch.randperm = torch.randperm, lambda n, **_: torch.tensor(orders.draw(n))
    rates, steps_done, tracked = [], [], {}
    track = agent.track_data
    agent.track_data = lambda tag, number: (tracked.__setitem__(tag, number), track(tag, number))
    step = agent.optimizer.step
    agent.optimizer.step = lambda *a, **k: (rates.append(agent.optimizer.param_groups[0]["lr"]), step(*a, **k))[1]
    agent.enable_models_training_mode(True)
    agent.update(timestep=0, timesteps=1)
    torch.randperm = draw
    rows = steps * envs
    returns = memory.get_tensor_by_name("returns").numpy().reshape(-1)
    number_of = agent.cfg.learning_epochs * agent.cfg.mini_batches
    stats = {
        "returns": returns, "learning_rate": agent.optimizer.param_groups[0]["lr"], 
        "optimizer_steps": len(rates),
    }
    if len(rates) == number_of:
        # It divides by all minibatches, those that were not visited, too; so only where there are none of these.
        stats["policy_loss"] = tracked["Loss / Policy loss"]
        stats["value_loss"] = tracked["Loss / Value loss"] / agent.cfg.value_loss_scale
    common.write(
        case, "skrl", VERSION, "skrl", "ppo", overrides,
        {k: v if isinstance(v, (int, float, bool, dict)) else v.__name__ for k, v in settings.items()}, "gaussian", "elu", before,
        common.parameters(policy, value, {"log_std": policy.log_std}),
        {
            "obs": data["obs"].reshape(rows, -1), "actions": data["actions"].reshape(rows, -1), "old_log_prob": logp.reshape(-1),
            "rewards": data["rewards"], "values": values, "last_values": last_values, "terminated": data["terminated"],
            "truncated": data["truncated"], "minibatch_order": np.stack(orders.drawn),
        },
        stats, policy.net, value.net, 0.0,
    )
    print(len(rates), "of", number_of, "steps; rates", rates)


FEW = {"learning_epochs": 4}
# AdaptiveLr::skrl, which the preset leaves off, as the library does.
SCHEDULER = {"kl_factor": 2.0, "factor": 1.5, "min": 1e-6, "max": 1e-2, "step": "epoch", "estimator": "k3"}
run("skrl_21_rows_in_4", 410, 7, 3, {**FEW, "mini_batches": 4}, {"update_epochs": 4, "num_minibatches": 4})
run("skrl_kl_adaptive_lr", 420, 7, 3,
    {**FEW, "mini_batches": 4, "learning_rate_scheduler": KLAdaptiveLR, "learning_rate_scheduler_kwargs": {"kl_threshold": 0.008}},
    {"update_epochs": 4, "num_minibatches": 4, "adaptive_lr": {"target_kl": 0.008, **SCHEDULER}})
# Epochs end at a minibatch of high KL, and the next one begins all the same.
run("skrl_kl_threshold_ends_the_epoch", 430, 9, 5,
    {"learning_epochs": 5, "mini_batches": 4, "kl_threshold": 0.0017, "entropy_loss_scale": 0.01,
     "learning_rate_scheduler": KLAdaptiveLR, "learning_rate_scheduler_kwargs": {"kl_threshold": 0.0007}},
    {"update_epochs": 5, "num_minibatches": 4, "target_kl": 0.0017, "ent_coef": 0.01, "adaptive_lr": {"target_kl": 0.0007, **SCHEDULER}})
