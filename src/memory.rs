//! How much memory there is, so that what cannot fit is refused before it is begun.
//!
//! Linux promises memory that it does not have, and ends the process that touches it: an allocation that succeeded says nothing. So
//! what a call is going to need is added up first and held against what the machine says is free.

use crate::error::{Error, Result};

/// What is smaller is not asked about: reading the machine's files takes longer than such an array.
const SMALL: u128 = 16 << 20;

/// The product of sizes, which ends at the greatest number instead of beginning again at 0.
pub(crate) fn product(sizes: &[usize]) -> u128 {
    sizes.iter().fold(1, |product: u128, size| product.saturating_mul(*size as u128))
}

/// The sum of products of sizes, likewise.
pub(crate) fn total(terms: &[&[usize]]) -> u128 {
    terms.iter().fold(0, |sum: u128, term| sum.saturating_add(product(term)))
}

/// As the numbers of an error have it.
pub(crate) fn word(size: u128) -> u64 {
    u64::try_from(size).unwrap_or(u64::MAX)
}

/// A host size as the u32 that shaders and draws have.
pub(crate) fn small(what: &str, size: usize) -> Result<u32> {
    u32::try_from(size).map_err(|_| Error::OwnLimit {
        what: what.to_owned(),
        limit: "u32 element index",
        needs: size as u64,
        has: u64::from(u32::MAX),
    })
}

/// `len` numbers, or none if there cannot be so many.
pub(crate) fn filled<T: Clone>(value: T, len: usize) -> Vec<T> {
    let mut numbers = Vec::new();
    if numbers.try_reserve_exact(len).is_ok() {
        numbers.resize(len, value);
    }
    numbers
}

/// Refuses what needs more bytes than there are.
///
/// # Errors
/// [`Error::Memory`] with both numbers.
pub(crate) fn require(what: impl FnOnce() -> String, bytes: u128) -> Result<()> {
    if bytes <= SMALL {
        return Ok(());
    }
    let has = free().map_or(isize::MAX as u64, |free| free.min(isize::MAX as u64));
    if bytes > u128::from(has) {
        return Err(Error::Memory { what: what(), needs: word(bytes), has });
    }
    // What is left to the process (`ulimit -v`), and systems that promise only what they have, answer to an attempt. Nothing is touched.
    let fits = |bytes: u64| usize::try_from(bytes).is_ok_and(|bytes| Vec::<u8>::new().try_reserve_exact(bytes).is_ok());
    let needs = word(bytes);
    if fits(needs) {
        return Ok(());
    }
    let (mut least, mut most) = (0, needs);
    while most - least > needs / 1024 + 1 {
        let middle = least + (most - least) / 2;
        if fits(middle) { least = middle } else { most = middle }
    }
    Err(Error::Memory { what: what(), needs, has: least })
}

/// Bytes that are free for this process: what the system has or can take back from its caches, within what the process' control groups
/// leave. `None` if the system does not say.
#[cfg(target_os = "linux")]
pub(crate) fn free() -> Option<u64> {
    let read = |path: &str| std::fs::read_to_string(path).ok();
    let groups = read("/proc/self/cgroup").unwrap_or_default();
    let system = read("/proc/meminfo").and_then(|text| meminfo(&text));
    groups_free(&groups, &read).into_iter().chain(system).min()
}

/// See above: the system does not say.
#[cfg(not(target_os = "linux"))]
pub(crate) fn free() -> Option<u64> {
    None
}

/// `MemAvailable` of /proc/meminfo, and free swap, in bytes.
#[cfg(any(target_os = "linux", test))]
fn meminfo(text: &str) -> Option<u64> {
    let number = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name))?;
        line.trim().trim_end_matches("kB").trim().parse::<u64>().ok()?.checked_mul(1024)
    };
    Some(number("MemAvailable:")?.saturating_add(number("SwapFree:").unwrap_or(0)))
}

/// What each control group with a limit, the process' own and those that it lies in, leaves of it. Caches of files count as used there, but
/// are given back when asked for.
#[cfg(any(target_os = "linux", test))]
fn groups_free(groups: &str, read: &dyn Fn(&str) -> Option<String>) -> Vec<u64> {
    let mut free = Vec::new();
    for line in groups.lines() {
        let mut fields = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(path)) = (fields.next(), fields.next()) else { continue };
        // Version 2 has one tree, version 1 one for each controller.
        let (root, limit, used, cached) = match controllers {
            "" => ("/sys/fs/cgroup", "memory.max", "memory.current", ["inactive_file", "active_file"]),
            _ if controllers.split(',').any(|one| one == "memory") => {
                let names = ["total_inactive_file", "total_active_file"];
                ("/sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.usage_in_bytes", names)
            }
            _ => continue,
        };
        let mut folder = path.trim_end_matches('/');
        loop {
            let file = |name: &str| read(&format!("{root}{folder}/{name}"));
            let number = |name: &str| file(name)?.trim().parse::<u64>().ok();
            // "max", or a number beyond all memory, is no limit.
            if let (Some(limit), Some(used)) = (number(limit).filter(|limit| *limit < 1 << 60), number(used)) {
                let stat = file("memory.stat").unwrap_or_default();
                let pairs = stat.lines().filter_map(|line| line.split_once(' '));
                let caches = pairs.filter(|(name, _)| cached.contains(name)).filter_map(|(_, size)| size.parse().ok());
                let caches = caches.fold(0, u64::saturating_add);
                free.push(limit.saturating_sub(used.saturating_sub(caches)));
            }
            // The namespace's own root may lie below the path that it is told; its limits are in the parents, too.
            match folder.rfind('/') {
                Some(end) => folder = &folder[..end],
                None => break,
            }
        }
    }
    free
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_do_not_begin_again_at_0() {
        assert_eq!(product(&[usize::MAX, usize::MAX]), (usize::MAX as u128).pow(2));
        assert_eq!(product(&[usize::MAX; 3]), u128::MAX);
        assert_eq!(total(&[&[usize::MAX; 3], &[1]]), u128::MAX);
        assert_eq!((total(&[&[2, 3], &[4]]), product(&[]), word(u128::MAX)), (10, 1, u64::MAX));
    }

    #[test]
    fn what_is_small_is_granted_and_what_nothing_holds_is_refused() {
        assert!(require(String::new, SMALL).is_ok());
        let error = require(|| "a thing".into(), u128::MAX).unwrap_err();
        assert!(matches!(&error, Error::Memory { needs: u64::MAX, has, .. } if *has > 0), "{error}");
        // More than any machine has, though it could be addressed.
        let error = require(|| "a thing".into(), 1 << 56).unwrap_err();
        assert!(error.to_string().starts_with("a thing needs 72057594037927936 bytes of memory, "), "{error}");
    }

    #[test]
    fn the_system_is_read_as_it_writes() {
        let text = "MemTotal:       24689764 kB\nMemFree:  1 kB\nMemAvailable:   1000 kB\nSwapFree:   24 kB\n";
        assert_eq!(meminfo(text), Some(1024 * 1024));
        assert_eq!(meminfo("MemTotal: 1 kB\n"), None);
        assert_eq!(meminfo("MemAvailable: 18446744073709551615 kB\n"), None);
    }

    #[test]
    fn the_least_that_a_group_leaves_counts() {
        let files = |path: &str| {
            let text = match path {
                "/sys/fs/cgroup/a/b/memory.max" => "max\n",
                "/sys/fs/cgroup/a/memory.max" | "/sys/fs/cgroup/memory/c/memory.limit_in_bytes" => "1000\n",
                "/sys/fs/cgroup/a/memory.current" | "/sys/fs/cgroup/memory/c/memory.usage_in_bytes" => "900\n",
                "/sys/fs/cgroup/a/memory.stat" => "anon 500\nactive_file 30\ninactive_file 200\n",
                "/sys/fs/cgroup/memory/c/memory.stat" => "cache 300\ntotal_inactive_file 300\n",
                "/sys/fs/cgroup/memory/memory.limit_in_bytes" => "9223372036854771712\n",
                "/sys/fs/cgroup/memory/memory.usage_in_bytes" | "/sys/fs/cgroup/a/b/memory.current" => "5\n",
                _ => return None,
            };
            Some(text.to_owned())
        };
        assert_eq!(groups_free("0::/a/b\n", &files), [330]);
        assert_eq!(groups_free("9:name=systemd:/\n4:cpu,memory:/c\n0::/\n", &files), [400]);
        assert_eq!(groups_free("", &files), [0_u64; 0]);
        assert_eq!(groups_free("nonsense\n::\n", &files), [0_u64; 0]);
    }
}
