//! ε-greedy actions.

use super::case::Case;
use super::entry::{Entry, Family, Sweep, Timed, oracle};
use super::support::{Guarded, Random, schedule, wide};
use super::work::Work;
use crate::data::check_shape;
use crate::error::Error;
use crate::kernels::per_update::PerUpdate;
use crate::kernels::policy_epsilon;
use crate::reference::dqn_update::greedy;
use crate::reference::exploration::epsilon_greedy;
use ndarray::Array2;

const SEED: u64 = 0x1234_5678_9abc_def0;
/// The low word overflows when the offset is added.
const POLICY_STEP: u64 = (3 << 32) + u32::MAX as u64 - 1;
const STEP_OFFSET: u32 = 5;
/// The step is the eighth of its hold, whose first is below that overflow.
const HOLD: u64 = 12;
const HELD: u64 = POLICY_STEP + STEP_OFFSET as u64 - (POLICY_STEP + STEP_OFFSET as u64) % HOLD;
/// Elements before the values, the ε and the actions.
const BEFORE: usize = 3;

fn case(rows: usize, choices: usize, epsilon: f32) -> Case {
    let shape = format!("{rows} rows of {choices}, epsilon {epsilon}");
    let reason = "indices: all alike";
    Case::new(policy_epsilon::DEF.name, shape, (0.0, reason), async move |gpu, report| {
        let mut random = Random::new((rows * 11 + choices) as u64);
        let count = rows * choices;
        let mut values = random.normals(BEFORE + count, 1.0);
        // The first of equals.
        if choices > 2 {
            (values[BEFORE + 1], values[BEFORE + 2]) = (9.0, 9.0);
        }
        // Only its own ε counts.
        let epsilons = [1.0 - epsilon, epsilon, 0.5];
        let b = (
            Guarded::holding(gpu, "values", &values)?,
            Guarded::holding(gpu, "epsilon", &epsilons)?,
            Guarded::updated(gpu, "actions", &vec![77_u32; BEFORE + rows])?,
        );
        let p = policy_epsilon::Params {
            rows: rows as u32,
            choices: choices as u32,
            values_offset: BEFORE as u32,
            actions_offset: BEFORE as u32,
            epsilon_at: 1,
            step_offset: STEP_OFFSET,
            ..Default::default()
        };
        let io = policy_epsilon::Io { values: b.0.io(), epsilon: b.1.io(), actions: b.2.io() };
        let counters = PerUpdate {
            seed_low: SEED as u32,
            seed_high: (SEED >> 32) as u32,
            policy_step_low: POLICY_STEP as u32,
            policy_step_high: (POLICY_STEP >> 32) as u32,
            exploration_hold: HOLD as u32,
            exploration_phase: (POLICY_STEP % HOLD) as u32,
            ..PerUpdate::default()
        };
        let (ring, slot) = schedule(gpu, &counters)?;
        report.run(gpu, &policy_epsilon::bind(gpu, &[p], &io, &ring)?, slot)?;
        let got = b.2.read(gpu, report).await?;
        report.exact("actions (before the first)", &got[..BEFORE], &[77; BEFORE]);
        let table = wide(&values[BEFORE..]);
        check_shape("values", &[table.len()], &[count])?;
        let table = Array2::from_shape_vec((rows, choices), table)
            .map_err(|_| Error::shape("values", &[count], &[rows, choices]))?;
        let mut want: Vec<u32> = greedy(table.view()).into_iter().map(|best| best as u32).collect();
        epsilon_greedy(&mut want, choices as u32, epsilon, SEED, HELD);
        report.exact("actions", &got[BEFORE..], &want);
        Ok(())
    })
}

pub(super) const FAMILY: Family = Family {
    cases,
    rows: &[Entry {
        def: &policy_epsilon::DEF,
        about: "DQN's actions: the greatest value's, or with probability epsilon any",
        oracle: oracle!(exploration::epsilon_greedy),
        at_size: |s| Some(case(s.rows, s.head.raw_outputs().max(2), 0.1)),
        sweep: Sweep::Nets,
        timed: Timed::Last,
        work: |s| {
            let (rows, choices) = (s.rows as f64, s.head.raw_outputs().max(2) as f64);
            Work::rows(s.rows, rows * choices, 4.0 * rows * (choices + 1.0))
        },
    }],
};

fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (rows, choices, epsilon) in
        [(1, 1, 0.0), (63, 2, 0.0), (64, 3, 0.3), (65, 18, 0.9), (257, 5, 1.0), (3, 1009, 0.5)]
    {
        cases.push(case(rows, choices, epsilon).quick(rows == 65));
    }
    cases
}
