use super::*;
use crate::error::{Error, Result};
use std::thread;

/// What each rank's thread returns.
fn each<T: Send>(size: usize, work: impl Fn(Threads) -> T + Sync) -> Vec<T> {
    thread::scope(|scope| {
        let running: Vec<_> = Threads::new(size).into_iter().map(|rank| scope.spawn(|| work(rank))).collect();
        running.into_iter().map(|thread| thread.join().unwrap()).collect()
    })
}

/// Terms that no two orders of addition agree on: each rank's is of another size.
fn term(rank: usize, index: usize) -> f64 {
    (((rank * 31 + index * 7) as f64).sin() + 1.5) * 10_f64.powi(rank as i32 * 5 - 7)
}

#[test]
fn a_sum_is_in_rank_order_whatever_its_length() {
    for size in 1..=5 {
        for len in [0, 1, 7, 1000] {
            let sums = each(size, |rank| {
                let mut wide: Vec<f64> = (0..len).map(|index| term(rank.rank(), index)).collect();
                let mut narrow: Vec<f32> = wide.iter().map(|x| *x as f32).collect();
                rank.sum_f64(&mut wide).unwrap();
                rank.sum_f32(&mut narrow).unwrap();
                (wide, narrow)
            });
            for (wide, narrow) in sums {
                for index in 0..len {
                    let mut sum = term(0, index);
                    let mut of_f32 = f64::from(term(0, index) as f32);
                    for rank in 1..size {
                        sum += term(rank, index);
                        of_f32 += f64::from(term(rank, index) as f32);
                    }
                    assert_eq!((wide[index], narrow[index]), (sum, of_f32 as f32), "{size} ranks, {index} of {len}");
                }
            }
        }
    }
}

#[test]
fn things_of_other_lengths_arrive_whole() {
    for (own, all) in each(4, |rank| {
        let own = vec![rank.rank() as u8; rank.rank() * 3];
        (broadcast(&rank, format!("of {}", rank.rank()).as_bytes()).unwrap(), gather(&rank, &own).unwrap())
    }) {
        assert_eq!(own, b"of 0");
        assert_eq!(all, (0..4).map(|r| vec![r as u8; r * 3]).collect::<Vec<_>>());
    }
}

#[test]
fn who_disagrees_is_named_by_all() {
    let seed = |rank: usize| if rank == 2 { "7" } else { "3" }.to_owned();
    let things = |rank: usize| [("version", "1".to_owned()), ("seed", seed(rank))];
    for outcome in each(3, |rank| agree(&rank, &things(rank.rank()))) {
        assert_eq!(outcome.unwrap_err().to_string(), "rank 2: has seed 7, rank 0 has 3");
    }
    assert!(each(3, |rank| agree(&rank, &[("seed", "3".into())])).iter().all(Result::is_ok));
}

#[test]
fn a_rank_that_fails_or_ends_wakes_the_others() {
    let outcomes = each(3, |rank| {
        rank.sum_f64(&mut [1.0]).unwrap();
        match rank.rank() {
            1 => rank.fail("has no GPU"),
            _ => return rank.sum_f64(&mut [1.0]).unwrap_err().to_string(),
        }
        String::new()
    });
    assert_eq!(outcomes, ["rank 1: has no GPU", "", "rank 1: has no GPU"]);
    let outcomes = each(3, |rank| (rank.rank() != 2).then(|| rank.sum_f64(&mut [1.0])));
    for outcome in outcomes.into_iter().flatten() {
        assert!(matches!(outcome, Err(Error::Rank { rank: 0..=2, .. })), "{outcome:?}");
    }
}

#[test]
fn shares_lie_one_after_the_other() {
    for (size, all) in [(1, 5), (2, 5), (3, 8), (4, 4), (7, 100)] {
        let shares: Vec<_> = (0..size).map(|rank| Share::even(rank, size, all)).collect();
        let mut rows = Vec::new();
        for (rank, share) in shares.iter().enumerate() {
            assert_eq!(share.first, shares[..rank].iter().map(|share| share.own).sum::<usize>());
            assert!(share.own >= all / size);
            assert_eq!(share.rows(3 * share.own), 3 * all);
            for row in 0..3 * share.own {
                assert_eq!(share.own_row(share.row(row)), Some(row));
                rows.push(share.row(row));
            }
        }
        rows.sort_unstable();
        assert_eq!(rows, (0..3 * all).collect::<Vec<_>>());
        assert!(size == 1 || shares[1].own_row(0).is_none());
    }
}
