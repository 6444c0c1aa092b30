// The head of rows that were walked before: a row is what head_evaluate_wide leaves of one, (log-probability, entropy, both KL
// divergences, limits met, 0, 0, 0). So a loss is the same text for rows of any width. Its gradient is what head_evaluate_wide
// takes: the weights of the four, a 1 that a kernel swallows where the row does not count, and zeros.
//
// Of a kernel's functions it uses head_new and head_store, for both of which a row has HEAD_KNOWN elements.

const HEAD_KNOWN: u32 = 8u;

struct HeadSummary { logp: f32, entropy: f32, kl_old_new: f32, kl_new_old: f32, hits: f32 }

fn head_summary(row: u32, with_kl: bool) -> HeadSummary {
    let first = row * HEAD_KNOWN;
    return HeadSummary(
        head_new(first), head_new(first + 1u), head_new(first + 2u), head_new(first + 3u), head_new(first + 4u));
}

fn head_gradient(row: u32, w: vec4<f32>) {
    let first = row * HEAD_KNOWN;
    head_store(first, w.x);
    head_store(first + 1u, w.y);
    head_store(first + 2u, w.z);
    head_store(first + 3u, w.w);
    head_store(first + 4u, 1.0);
}
