// Log-probabilities of choices by their logits, of which the kernel says one by one what they are (`soft_logit`).
//
// Needs part math.

// A row: the greatest logit, and the logarithm of the sum of e^(logit − greatest).
struct Soft {
    first: u32,
    most: f32,
    log_sum: f32,
}

fn soft_row(first: u32, choices: u32) -> Soft {
    var most = soft_logit(first);
    for (var a = 1u; a < choices; a += 1u) {
        let logit = soft_logit(first + a);
        most = select(most, logit, logit > most);
    }
    var sum = 0.0;
    for (var a = 0u; a < choices; a += 1u) {
        sum += math_exp(soft_logit(first + a) - most);
    }
    return Soft(first, most, math_log(sum));
}

fn soft_logp(row: Soft, a: u32) -> f32 { return (soft_logit(row.first + a) - row.most) - row.log_sum; }
