"""Cases of kind `dist` whose values are mpmath's, in 60 digits: distributions that are near each other (1e-1 to 1e-4 of a
deviation), over the range of their parameters. Values are rounded to float64 at the end, so that small divergences have all their
digits, which PyTorch's differences of log-gammas and logarithms have not. Inputs are float32.

    pip install mpmath==1.3.0 numpy safetensors
    python3 tests/golden/make/dist_exact.py tests/golden
"""

import sys

import mpmath as mp
import numpy as np
from safetensors.numpy import save_file

mp.mp.dps = 60
OUT = sys.argv[1]
MOVES = [1e-4, -1e-3, 1e-2, -0.1]


def softplus(x):
    return mp.log1p(mp.exp(x))


class Categorical:
    name = "categorical"

    def logs(self, row):
        top = max(row)
        total = mp.fsum(mp.exp(x - top) for x in row)
        return [x - top - mp.log(total) for x in row]

    def logp(self, row, action):
        return self.logs(row)[int(action[0])]

    def entropy(self, row):
        return -mp.fsum(mp.exp(x) * x for x in self.logs(row))

    def kl(self, p, q):
        return mp.fsum(mp.exp(a) * (a - b) for a, b in zip(self.logs(p), self.logs(q)))


class Bernoulli:
    name = "bernoulli"

    def logp(self, row, action):
        return -mp.fsum(softplus(-x if bit else x) for x, bit in zip(row, action))

    def entropy(self, row):
        return mp.fsum((softplus(-x) / (1 + mp.exp(-x)) + softplus(x) / (1 + mp.exp(x))) for x in row)

    def kl(self, p, q):
        def one(a, b):
            return (softplus(-b) - softplus(-a)) / (1 + mp.exp(-a)) + (softplus(b) - softplus(a)) / (1 + mp.exp(a))

        return mp.fsum(one(a, b) for a, b in zip(p, q))


class Gaussian:
    """A row is [mean (D), l (D)]."""

    def __init__(self, name, sigma):
        self.name, self.sigma = name, sigma

    def pairs(self, row):
        d = len(row) // 2
        return [(m, self.sigma(l)) for m, l in zip(row[:d], row[d:])]

    def logp(self, row, action):
        return mp.fsum(-((mp.mpf(a) - m) / s) ** 2 / 2 - mp.log(s) - mp.log(2 * mp.pi) / 2
                       for (m, s), a in zip(self.pairs(row), action))

    def entropy(self, row):
        return mp.fsum(mp.log(s) + (1 + mp.log(2 * mp.pi)) / 2 for _, s in self.pairs(row))

    def kl(self, p, q):
        return mp.fsum(mp.log(t / s) + (s**2 + (m - n) ** 2) / (2 * t**2) - mp.mpf(1) / 2
                       for (m, s), (n, t) in zip(self.pairs(p), self.pairs(q)))


class Beta:
    name = "beta"

    def pairs(self, row):
        d = len(row) // 2
        return [(1 + softplus(a), 1 + softplus(b)) for a, b in zip(row[:d], row[d:])]

    def log_beta(self, a, b):
        return mp.loggamma(a) + mp.loggamma(b) - mp.loggamma(a + b)

    def logp(self, row, action):
        return mp.fsum((a - 1) * mp.log(mp.mpf(x)) + (b - 1) * mp.log1p(-mp.mpf(x)) - self.log_beta(a, b)
                       for (a, b), x in zip(self.pairs(row), action))

    def entropy(self, row):
        return mp.fsum(self.log_beta(a, b) - (a - 1) * mp.digamma(a) - (b - 1) * mp.digamma(b)
                       + (a + b - 2) * mp.digamma(a + b) for a, b in self.pairs(row))

    def kl(self, p, q):
        return mp.fsum(self.log_beta(c, e) - self.log_beta(a, b) + (a - c) * mp.digamma(a) + (b - e) * mp.digamma(b)
                       + (c - a + e - b) * mp.digamma(a + b) for (a, b), (c, e) in zip(self.pairs(p), self.pairs(q)))


def slope(f, row):
    """Gradient by central differences in 60 digits: errors near 1e-24 of the third derivative."""
    result = []
    for i, x in enumerate(row):
        h = mp.mpf(10) ** -12 * max(1, abs(x)) if abs(x) > 1e-3 else mp.mpf(10) ** -15
        moved = [[y + (h if j == i else 0) * sign for j, y in enumerate(row)] for sign in (1, -1)]
        result.append((f(moved[0]) - f(moved[1])) / (2 * h))
    return result


def fisher(head, row, tangent):
    """Derivative, along the tangent, of the gradient of KL(row | x) by x at x = row."""
    h = mp.mpf(10) ** -12 * min([max(abs(x), mp.mpf("1e-3")) for x in row])
    moved = [[x + sign * h * t for x, t in zip(row, tangent)] for sign in (1, -1)]
    up, down = (slope(lambda x: head.kl(row, x), to) for to in moved)
    return [(a - b) / (2 * h) for a, b in zip(up, down)]


def case(name, head, rows, rtol):
    """`rows` are (old, new, action). `rtol` is what docs/heads.md promises of the device."""
    old, new, actions = ([list(row[i]) for row in rows] for i in range(3))
    discrete = head.name in ("categorical", "bernoulli")
    single = lambda values: np.array(values, np.float32)
    old32, new32 = single(old), single(new)
    actions = np.array(actions, np.int32) if discrete else single(actions)
    n, width = new32.shape
    tangent = single([[(1.0, 0.5, -0.25)[(r + i) % 3] for i in range(width)] for r in range(n)])
    weights = single([1.0] * n)
    exact = lambda array: [[mp.mpf(float(x)) for x in row] for row in array]
    p, q, t = exact(old32), exact(new32), exact(tangent)
    a = [[int(x) if discrete else float(x) for x in row] for row in actions]
    values = {
        "log_prob": lambda r: lambda x: head.logp(x, a[r]),
        "entropy": lambda r: head.entropy,
        "kl_old_new": lambda r: lambda x: head.kl(p[r], x),
        "kl_new_old": lambda r: lambda x: head.kl(x, p[r]),
    }
    wide = lambda array: np.array([[float(x) for x in row] for row in array], np.float64)
    out = {f"out.{key}": np.array([float(f(r)(q[r])) for r in range(n)]) for key, f in values.items()}
    for key, f in values.items():
        out[f"out.grad.{key}.params"] = wide([slope(f(r), q[r]) for r in range(n)])
    out["out.fisher_vector"] = wide([fisher(head, q[r], t[r]) for r in range(n)])
    metadata = {
        "kind": "dist", "case": name, "head": head.name, "rows": str(n), "params_per_row": str(width),
        "action_dims": str(actions.shape[1]), "source": f"mpmath {mp.__version__}, 60 digits",
        "tolerance": "float32: |got-want| <= atol + rtol*|want| with the pair in tolerance.<tensor>; integers exact",
    }
    for key, values in out.items():
        rows_of = np.abs(values.reshape(n, -1)).max(axis=1)
        # Elements of a divergence's gradient cancel: to rtol of the smallest row. Those of a log-probability and an entropy cancel
        # to the score's deviation, of which the largest element has a part. Values are sums of terms near 1 to 10.
        near = rtol * rows_of.min() if "grad" in key or "fisher" in key else 0.0
        atol = near if "kl" in key or "fisher" in key else rtol * rows_of.max() if "grad" in key else 10 * rtol
        metadata[f"tolerance.{key}"] = f"rtol={rtol},atol={atol}"
    inputs = {"in.params": new32, "in.old_params": old32, "in.tangent": tangent,
              "in.actions": actions.reshape(-1) if head.name == "categorical" else actions}
    inputs |= {f"in.w_{key}": weights for key in ("log_prob", "entropy", "kl_old_new", "kl_new_old")}
    save_file({key: np.ascontiguousarray(value) for key, value in {**out, **inputs}.items()},
              f"{OUT}/dist.{name}.safetensors", metadata)
    print(name, n, width)


def moved(row, by, pattern):
    return [x + by * s for x, s in zip(row, pattern)]


rows = []
for base in ([0, 0, 0, 0, 0], [0, 1, -2, 3, 0.5], [100, 99.5, 98, 100, 97], [-100, -100.5, -99, -100, -101]):
    rows += [(base, moved(base, by, [1, -0.5, 0.25, 0, -1]), [i % 4]) for i, by in enumerate(MOVES)]
case("categorical_near", Categorical(), rows, 2e-5)

rows = []
for base in ([0.0, 0.3], [1.0, -4.0], [-2.0, 6.0]):
    rows += [(base, moved(base, by, [1, -0.7]), [i % 2, 1]) for i, by in enumerate(MOVES)]
case("bernoulli_near", Bernoulli(), rows, 1e-5)

for name, head, ls in (
    ("gaussian_state_std_near", Gaussian("gaussian_state_std", mp.exp), [-5.0, -1.0, 0.01, 2.0]),
    ("gaussian_scalar_std_near", Gaussian("gaussian_state_scalar_std", lambda s: s), [0.03, 0.5, 0.999, 1.0, 1.3, 40.0]),
):
    rows = []
    for l in ls:
        s = float(head.sigma(mp.mpf(l)))
        for i, by in enumerate(MOVES):
            up = by * (l if "scalar" in name else 1)
            rows.append(([0.7 * s, 0.0, l, l], [0.7 * s + by * s, by * s, l, l + 0.5 * up], [s * (1 - 0.3 * i), -s]))
    case(name, head, rows, 4e-5)

for size in (1, 100, 10_000, 100_000):
    rows = []
    for pair in ([size, size], [size, 0.3 * size + 0.5]):
        shape = [1 + float(softplus(mp.mpf(x))) for x in pair]
        total = sum(shape)
        sd = (shape[0] * shape[1] / (total + 1)) ** 0.5 / total
        for i, by in enumerate(MOVES):
            step = [by * (2 * x) ** 0.5 for x in shape]
            rows.append((pair, moved(pair, 1, [step[0], (-0.4, 0.6)[i % 2] * step[1]]), [shape[0] / total + (i - 1.5) * sd]))
    case(f"beta_near_{size}", Beta(), rows, 4e-5)
