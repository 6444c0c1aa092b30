//! Things of any length, and agreement on them.

use super::line::Collective;
use crate::error::{Error, Result};

/// Longest words of a rank that disagrees.
const WORDS: usize = 240;

/// The bytes of each rank, in rank order; lengths may differ.
///
/// # Errors
/// As [`Collective::all_gather`].
pub fn gather(collective: &dyn Collective, own: &[u8]) -> Result<Vec<Vec<u8>>> {
    let size = collective.size();
    let mut lengths = vec![0_u64; size];
    collective.all_gather(&(own.len() as u64).to_ne_bytes(), bytemuck::cast_slice_mut(&mut lengths))?;
    let longest = lengths.iter().copied().max().unwrap_or(0) as usize;
    let (mut padded, mut all) = (own.to_vec(), vec![0; longest * size]);
    padded.resize(longest, 0);
    collective.all_gather(&padded, &mut all)?;
    let one = |(rank, len): (usize, &u64)| all[rank * longest..][..*len as usize].to_vec();
    Ok(lengths.iter().enumerate().map(one).collect())
}

/// The bytes of rank 0, for all; those of others are not looked at.
///
/// # Errors
/// As [`Collective::all_gather`].
pub fn broadcast(collective: &dyn Collective, own: &[u8]) -> Result<Vec<u8>> {
    let own = if collective.rank() == 0 { own } else { &[] };
    Ok(gather(collective, own)?.swap_remove(0))
}

/// That all ranks have the same of each of `things`, names with values.
///
/// # Errors
/// [`Error::Rank`], on all ranks the same: the first rank that differs from rank 0, in what, and both values. As
/// [`Collective::all_gather`].
pub fn agree(collective: &dyn Collective, things: &[(&str, String)]) -> Result<()> {
    for (name, own) in things {
        let of_first = broadcast(collective, own.as_bytes())?;
        let verdict = if of_first == own.as_bytes() {
            String::new()
        } else {
            let (own, first) = difference(own, &String::from_utf8_lossy(&of_first));
            format!("has {name} {own}, rank 0 has {first}")
        };
        let verdicts = gather(collective, verdict.as_bytes())?;
        if let Some(rank) = verdicts.iter().position(|verdict| !verdict.is_empty()) {
            return Err(Error::Rank { rank, message: String::from_utf8_lossy(&verdicts[rank]).into_owned() });
        }
    }
    Ok(())
}

/// Two texts from a little before where they begin to differ.
fn difference(own: &str, first: &str) -> (String, String) {
    let same = own.chars().zip(first.chars()).take_while(|(a, b)| a == b).count();
    let from = same.saturating_sub(WORDS / 8);
    let part = |text: &str| {
        let head = if from > 0 { "…" } else { "" };
        let rest: String = text.chars().skip(from).take(WORDS / 3).collect();
        let tail = if text.chars().count() > from + WORDS / 3 { "…" } else { "" };
        format!("{head}{rest}{tail}")
    };
    (part(own), part(first))
}
