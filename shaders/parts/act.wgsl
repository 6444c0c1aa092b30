// A policy's act on one row: a word per action dimension, drawn or the most probable one, and their log-probability.
//
// Needs parts math, philox, schedule, one head part, and of the kernel the uniforms `schedule` and `head_table` and
// act_store(row, d, word), which keeps a word where head_action finds it.

fn act_row(row: u32, greedy: bool, step_offset: u32) -> f32 {
    let key = vec2<u32>(schedule.seed_low, schedule.seed_high);
    let step = schedule_held(schedule, step_offset);
    for (var d = 0u; d < head_table[0].x; d += 1u) {
        var word: u32;
        if (greedy) {
            word = head_mode(row, d);
        } else {
            word = head_draw(row, d, key, step);
        }
        act_store(row, d, word);
    }
    // Reads back what this invocation has just stored, so that the log-probability belongs to the stored words.
    return head_summary(row, false).logp;
}
