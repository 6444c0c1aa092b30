//! What other processes take of the CPUs meanwhile, where the system says so.

/// CPU time since the system started, in ticks of one length; from `/proc`, so on Linux alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    total: u64,
    busy: u64,
    own: u64,
    cpus: usize,
}

/// How busy other processes kept the CPUs between two moments. Of a device it says nothing.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Load {
    /// CPUs' worth of time that other processes used, and other machines on the same hardware: 1.5 is one and a half CPUs all
    /// the time.
    pub others: f64,
    /// CPUs of the machine.
    pub cpus: usize,
}

impl Moment {
    /// This moment; `None` where the system has no such files.
    pub fn now() -> Option<Self> {
        let read = |path| std::fs::read_to_string(path).ok();
        Self::parse(&read("/proc/stat")?, &read("/proc/self/stat")?)
    }

    /// Of the texts of `/proc/stat` and `/proc/self/stat`, as proc(5) describes them.
    fn parse(system: &str, own: &str) -> Option<Self> {
        let mut lines = system.lines();
        let numbers = lines.next()?.strip_prefix("cpu ")?.split_whitespace().map(|word| word.parse().ok());
        // user, nice, system, idle, iowait, irq, softirq, steal; time of guests is in the first two already.
        let ticks = numbers.take(8).collect::<Option<Vec<u64>>>()?;
        let total = ticks.iter().sum();
        let idle = ticks.get(3)? + ticks.get(4).copied().unwrap_or(0);
        let one =
            |line: &&str| line.strip_prefix("cpu").is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
        // The name of the program is in brackets and may hold anything; 12 and 13 words behind it are user and system.
        let mut words = own.rsplit_once(')')?.1.split_whitespace().skip(11);
        let mut number = || words.next()?.parse::<u64>().ok();
        let own = number()? + number()?;
        Some(Self { total, busy: total - idle, own, cpus: lines.filter(one).count().max(1) })
    }

    /// What other processes took since `earlier`; `None` where no tick has passed.
    pub fn since(&self, earlier: &Self) -> Option<Load> {
        let total = self.total.checked_sub(earlier.total).filter(|total| *total > 0)?;
        // Ticks are counted where they end, so in a short time our own may be more than all.
        let others = self.busy.saturating_sub(earlier.busy).saturating_sub(self.own.saturating_sub(earlier.own));
        Some(Load { others: others as f64 / total as f64 * self.cpus as f64, cpus: self.cpus })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moment(user: u64, idle: u64, steal: u64, own: (u64, u64)) -> Option<Moment> {
        let system = format!("cpu  {user} 0 0 {idle} 0 0 0 {steal} 9 9\ncpu0 1 2\ncpu1 3 4\nintr 5\n");
        let own = format!("77 (a name) with) R 1 2 3 4 5 6 7 8 9 10 {} {} 0 0\n", own.0, own.1);
        Moment::parse(&system, &own)
    }

    #[test]
    fn what_others_take_is_all_but_ours() {
        let (start, end) = (moment(100, 100, 0, (40, 10)).unwrap(), moment(250, 140, 10, (100, 30)).unwrap());
        // 200 ticks of two CPUs: 40 idle, 80 our own, 80 of others (10 of them stolen).
        assert_eq!(end.since(&start), Some(Load { others: 0.8, cpus: 2 }));
        assert_eq!(start.since(&start), None);
        let ours = moment(110, 100, 0, (60, 10)).unwrap();
        assert_eq!(ours.since(&start).unwrap().others, 0.0);
    }

    #[test]
    fn what_is_no_such_file_is_none() {
        assert_eq!(Moment::parse("", ""), None);
        assert_eq!(Moment::parse("cpu  1 2 x 4\n", "1 (a) R 1 2 3 4 5 6 7 8 9 10 1 1"), None);
        assert_eq!(Moment::parse("cpu  1 2 3 4\n", "1 (a) R 1"), None);
        assert_eq!(Moment::now().is_some(), cfg!(target_os = "linux"));
    }
}
