// The Beta distribution with p = (alpha, beta), both at least 1: log-probability, entropy, KL and their gradients by p.
//
// Needs parts math and gamma. Below n = alpha + beta, and Stirling's formula is written out: what is left of it has no
// cancelling terms, however large n is. Pairs are one formula each, with x and alpha / n for the one, 1 - x and beta / n
// for the other.

// log(part / (part + rest)).
fn beta_log_share(part: f32, rest: f32) -> f32 {
    let n = part + rest;
    return select(math_log1p(-min(rest, part) / n), math_log_far(part / n), part < rest);
}

fn beta_log_shares(p: vec2<f32>) -> vec2<f32> { return vec2<f32>(beta_log_share(p.x, p.y), beta_log_share(p.y, p.x)); }

fn beta_log_x(x: f32) -> vec2<f32> { return vec2<f32>(math_log(x), math_log1p(-x)); }

// n x - alpha, which is beta - n (1 - x); what is small of x and 1 - x has its digits.
fn beta_excess(p: vec2<f32>, x: f32) -> f32 { return x * p.y - (1.0 - x) * p.x; }

// The share of one of the pair in the log-probability; `less` is part - 1, `excess` is n x - part.
fn beta_logp_side(part: f32, less: f32, log_x: f32, log_share: f32, excess: f32) -> f32 {
    // Near the mean part log x has no digits left; part (d - log(1 + d)) has, with x = (1 + d) part / n.
    let d = excess / part;
    let near = -part * gamma_excess(d, 1.0) - log_x + 0.5 * log_share;
    return select(less * log_x - (part - 0.5) * log_share - excess, near, abs(d) < 0.5) - gamma_delta(part);
}

// `less` is p - 1, of which small values have more digits.
fn beta_logp(less: vec2<f32>, x: f32) -> f32 {
    let p = 1.0 + less;
    let n = p.x + p.y;
    let excess = beta_excess(p, x);
    let log_x = beta_log_x(x);
    let shares = beta_log_shares(p);
    // 0.5 log(2 pi).
    return beta_logp_side(p.x, less.x, log_x.x, shares.x, excess) + beta_logp_side(p.y, less.y, log_x.y, shares.y, -excess)
        + 0.5 * math_log_far(n) - 0.9189385332 + gamma_delta(n);
}

// log r, where d is r - 1 and has digits that r has not.
fn beta_log_ratio(d: f32, r: f32) -> f32 {
    let near = abs(d) < 0.5;
    return select(math_log_far(r), math_log1p(select(0.0, d, near)), near);
}

fn beta_rho(p: vec2<f32>) -> vec2<f32> { return vec2<f32>(gamma_rho(p.x), gamma_rho(p.y)) - gamma_rho(p.x + p.y); }

fn beta_logp_gradient(p: vec2<f32>, x: f32) -> vec2<f32> {
    // x / mean, and the same of 1 - x.
    let r = vec2<f32>(x, 1.0 - x) * ((p.x + p.y) / p);
    let d = beta_excess(p, x) / p;
    return vec2<f32>(beta_log_ratio(d.x, r.x), beta_log_ratio(-d.y, r.y)) + beta_rho(p);
}

fn beta_entropy(less: vec2<f32>) -> f32 {
    let p = 1.0 + less;
    let n = p.x + p.y;
    let shares = beta_log_shares(p);
    return 0.5 * (shares.x + shares.y - math_log_far(n)) + 0.9189385332 + gamma_delta(p.x) + gamma_delta(p.y) - gamma_delta(n)
        + less.x * gamma_rho(p.x) + less.y * gamma_rho(p.y) - (less.x + less.y) * gamma_rho(n);
}

fn beta_entropy_gradient(less: vec2<f32>) -> vec2<f32> {
    let p = 1.0 + less;
    let n = p.x + p.y;
    let sigma = vec2<f32>(gamma_sigma(p.x), gamma_sigma(p.y));
    return 1.0 / p - less * sigma - 2.0 / n + (less.x + less.y) * gamma_sigma(n);
}

// KL(Beta(p) | Beta(q)), with c = q - p. It is q's n times the KL of the means, and what Stirling's square roots and remainders
// add to it. Nothing but terms of second order in c.
fn beta_kl(p: vec2<f32>, q: vec2<f32>, c: vec2<f32>) -> f32 {
    let n = p.x + p.y;
    let m = q.x + q.y;
    let change = c.x + c.y;
    // mean(p) / mean(q) = r = 1 + d, and the same of 1 - mean.
    let cross = p.x * c.y - p.y * c.x;
    let d = vec2<f32>(cross, -cross) / (n * q);
    let r = (p / n) * (m / q);
    let means = q.x * gamma_excess(d.x, r.x) + q.y * gamma_excess(d.y, r.y);
    let roots = gamma_excess(c.x / p.x, q.x / p.x) + gamma_excess(c.y / p.y, q.y / p.y) - gamma_excess(change / n, m / n);
    let bends = gamma_delta_bend(p.x, q.x, c.x) + gamma_delta_bend(p.y, q.y, c.y) - gamma_delta_bend(n, m, change);
    return means + 0.5 * roots + bends;
}

// By q.
fn beta_kl_gradient(p: vec2<f32>, q: vec2<f32>, c: vec2<f32>) -> vec2<f32> {
    let n = p.x + p.y;
    let m = q.x + q.y;
    let cross = p.x * c.y - p.y * c.x;
    let d = vec2<f32>(cross, -cross) / (n * q);
    let r = (p / n) * (m / q);
    let ratio = vec2<f32>(beta_log_ratio(d.x, r.x), beta_log_ratio(d.y, r.y));
    let rhos = vec2<f32>(gamma_rho_change(p.x, q.x, c.x), gamma_rho_change(p.y, q.y, c.y));
    return gamma_rho_change(n, m, c.x + c.y) - ratio - rhos;
}

// The Fisher matrix times v. KL(p | q) has the derivative fisher(p) (p - q) by p.
fn beta_fisher(p: vec2<f32>, v: vec2<f32>) -> vec2<f32> {
    let n = p.x + p.y;
    // diag(1 / p) - 1 / n, the part of the means, and the rest of the trigammas.
    let cross = v.x * p.y - v.y * p.x;
    let sigma = vec2<f32>(gamma_sigma(p.x), gamma_sigma(p.y));
    return vec2<f32>(cross, -cross) / (p * n) + sigma * v - gamma_sigma(n) * (v.x + v.y);
}
