"""CleanRL's ppo.py, the statements of its update. pip install cleanrl==0.4.8 (source only: pip download --no-deps cleanrl==0.4.8,
unpack, and name the file `cleanrl/ppo.py` in CLEANRL_PPO), torch==2.15.0 safetensors==0.8.0 numpy==2.4.6

The script is one module that trains on import, so its statements are taken from its syntax tree as they are: the class Agent, the
block of `if args.gae`, and the loop over epochs.
"""

import ast
import os
from types import SimpleNamespace

import numpy as np
import torch

import common

VERSION = "0.4.8"
tree = ast.parse(open(os.environ["CLEANRL_PPO"], encoding="utf-8").read())
for constant in ast.walk(tree):
    # Its layers have 64 units; with 7 the files are small.
    if isinstance(constant, ast.Constant) and constant.value == 64:
        constant.value = 7


def find(test):
    [node] = [node for node in ast.walk(tree) if test(node)]
    return node


def compiled(*nodes):
    return compile(ast.Module(list(nodes), []), "ppo.py", "exec")


PARTS = compiled(
    find(lambda n: isinstance(n, ast.FunctionDef) and n.name == "layer_init"),
    find(lambda n: isinstance(n, ast.ClassDef) and n.name == "Agent"),
)
GAE = compiled(find(lambda n: isinstance(n, ast.If) and ast.unparse(n.test) == "args.gae"))
FLATTEN = compiled(*[
    n for n in ast.walk(tree)
    if isinstance(n, ast.Assign) and ast.unparse(n.targets[0]).startswith("b_") and "reshape" in ast.unparse(n.value)
])
UPDATE = compiled(find(lambda n: isinstance(n, ast.For) and ast.unparse(n.target) == "i_epoch_pi"))


def run(case, seed, steps, envs, settings, overrides, widths=(4, 3)):
    obs_dim, choices = widths
    data = common.rollout(seed, steps, envs, obs_dim=obs_dim, choices=choices)
    args = SimpleNamespace(**{
        "gamma": 0.99, "gae": True, "gae_lambda": 0.95, "norm_adv": True, "clip_coef": 0.2, "clip_vloss": True,
        "ent_coef": 0.01, "vf_coef": 0.5, "max_grad_norm": 0.5, "update_epochs": 4, "n_minibatch": 4, "num_steps": steps,
        "kle_stop": False, "kle_rollback": False, "learning_rate": 2.5e-4, **settings,
    })
    args.batch_size = steps * envs
    args.minibatch_size = args.batch_size // args.n_minibatch
    space = SimpleNamespace(observation_space=SimpleNamespace(shape=(obs_dim,)), action_space=SimpleNamespace(n=choices, shape=()))
    orders = common.Orders(seed + 3)

    class Numpy:
        """NumPy, but that the shuffle is written down."""
        class random:
            @staticmethod
            def shuffle(inds):
                inds[:] = orders.draw(len(inds))

        def __getattr__(self, name):
            return getattr(np, name)

    names = {
        "torch": torch, "nn": torch.nn, "np": Numpy(), "args": args, "envs": space, "device": torch.device("cpu"),
        "Categorical": torch.distributions.Categorical, "optim": torch.optim,
    }
    exec(PARTS, names)
    agent = names["agent"] = names["Agent"](space)
    common.perturb(agent.actor, seed + 1, 0.3)
    common.perturb(agent.critic, seed + 2, 0.3)
    names["optimizer"] = torch.optim.Adam(agent.parameters(), lr=args.learning_rate, eps=1e-5)
    names["target_agent"] = names["Agent"](space)
    obs, actions = torch.tensor(data["obs"]), torch.tensor(data["actions"])
    with torch.no_grad():
        _, logp, _ = agent.get_action(obs, actions)
        logp = common.f32(logp.numpy() + 0.05 * data["noise"])
        values = common.f32(agent.get_value(obs)[..., 0].numpy() + 0.1 * data["value_noise"])
        last_values = agent.get_value(torch.tensor(data["next_obs"]))[:, 0]
    dones = np.zeros_like(values)
    dones[1:] = data["terminated"][:-1]
    names.update(
        obs=obs, actions=actions.double(), logprobs=torch.tensor(logp), values=torch.tensor(values),
        rewards=torch.tensor(data["rewards"]), dones=torch.tensor(dones), last_value=last_values.reshape(1, -1),
        next_done=torch.tensor(data["terminated"][-1].astype(float)), inds=np.arange(args.batch_size),
    )
    before = common.parameters(agent.actor, agent.critic)
    with torch.no_grad():
        exec(GAE, names)
    exec(FLATTEN, names)
    exec(UPDATE, names)
    rows = steps * envs
    common.write(
        case, "cleanrl", VERSION, "cleanrl", "ppo", overrides, settings, "categorical", "tanh", before,
        common.parameters(agent.actor, agent.critic),
        {
            "obs": data["obs"].reshape(rows, -1), "actions": data["actions"].reshape(rows), "old_log_prob": logp.reshape(-1),
            "rewards": data["rewards"], "values": values, "last_values": last_values.numpy(),
            "terminated": data["terminated"], "truncated": data["truncated"], "minibatch_order": np.stack(orders.drawn),
        },
        {
            "returns": names["returns"].numpy().reshape(-1), "last.value_loss": names["v_loss"].item(),
            "last.policy_loss": names["pg_loss"].item(), "last.entropy": names["entropy"].mean().item(),
        },
        agent.actor, agent.critic, 0.0,
    )


run("cleanrl_99_rows_in_4", 110, 33, 3, {"update_epochs": 2}, {"update_epochs": 2})
run("cleanrl_100_rows_in_8", 120, 20, 5, {"update_epochs": 1, "n_minibatch": 8}, {"update_epochs": 1, "num_minibatches": 8})
