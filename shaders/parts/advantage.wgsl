// The value that stands behind a transition: what every advantage estimator bootstraps from.

// terminated and truncated: the transition's flags; terminated wins where both are set. last: it is the window's last.
// bootstrap 0 counts what lies beyond an end or the window as 0. following: the value of the next observation in time,
// which belongs to the next episode where the transition ended one.
fn advantage_next(
    terminated: bool, truncated: bool, last: bool, bootstrap: u32, final_value: f32, following: f32,
) -> f32 {
    if (terminated || (bootstrap == 0u && (truncated || last))) {
        return 0.0;
    }
    return select(following, final_value, truncated);
}
