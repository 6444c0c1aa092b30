//! How the program was started, and how it ends.

/// What a shell is told of how the program ended. Not [`std::process::ExitCode`], which cannot be looked at, as the Python package does.
pub type Status = u8;

/// All went well.
pub const SUCCESS: Status = 0;

/// Something did not.
pub const FAILURE: Status = 1;

/// What a shell expects of a program that Ctrl-C ended.
pub const INTERRUPTED: Status = 130;

/// How the program was started. Started by `cargo run`, it is not on the user's path.
pub fn program() -> &'static str {
    match std::env::var_os("CARGO") {
        Some(_) if cfg!(debug_assertions) => "cargo run --",
        Some(_) => "cargo run --release --",
        None => "wgpo",
    }
}

/// An error and its causes on one line; a cause that its effect already quotes is left out.
pub fn one_line(error: &anyhow::Error) -> String {
    let mut line = String::new();
    for cause in error.chain() {
        let cause = cause.to_string().split_whitespace().collect::<Vec<_>>().join(" ");
        if line.is_empty() {
            line = cause;
        } else if !line.contains(&cause) {
            line = format!("{line}: {cause}");
        }
    }
    line
}

#[cfg(test)]
mod tests {
    #[test]
    fn an_error_is_one_line_without_repetition() {
        let cause = std::io::Error::other("disk\n is full");
        let error = anyhow::Error::new(cause).context("a.csv: disk is full").context("cannot write metrics");
        assert_eq!(super::one_line(&error), "cannot write metrics: a.csv: disk is full");
    }
}
