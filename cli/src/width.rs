//! How wide the terminal is, and text that keeps to it.

/// Columns of output that goes into a file or a pipe.
const PIPE: usize = 120;

/// Columns of standard output: what `COLUMNS` says, else the terminal's, else [`PIPE`].
pub fn columns() -> usize {
    let said = std::env::var("COLUMNS").ok().and_then(|text| text.trim().parse().ok()).filter(|columns| *columns > 0);
    said.or_else(|| Some(console::Term::stdout().size_checked()?.1.into())).unwrap_or(PIPE)
}

/// `text` with its lines broken between words so that none is longer than `columns`, further lines indented by `indent`. A word
/// that is longer than a line stays whole.
pub fn wrap(text: &str, columns: usize, indent: &str) -> String {
    let mut lines: Vec<String> = Vec::new();
    for line in text.split('\n') {
        let mut now = String::new();
        let (mut filled, mut words) = (0, false);
        for word in line.split(' ') {
            let long = word.chars().count();
            if words && filled + 1 + long > columns {
                lines.push(std::mem::replace(&mut now, indent.to_owned()));
                (filled, words) = (indent.chars().count(), false);
            }
            if words {
                now.push(' ');
                filled += 1;
            }
            now.push_str(word);
            (filled, words) = (filled + long, true);
        }
        lines.push(now);
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::wrap;

    #[test]
    fn lines_break_between_words() {
        assert_eq!(wrap("one two three", 7, ""), "one two\nthree");
        assert_eq!(wrap("one two three", 13, ""), "one two three");
        assert_eq!(wrap("one two three", 8, "  "), "one two\n  three");
        assert_eq!(wrap("a longerword b\n\nc d", 4, "  "), "a\n  longerword\n  b\n\nc d");
        assert_eq!(wrap("  kept  apart", 80, ""), "  kept  apart");
    }

    #[test]
    fn no_line_is_longer_where_words_allow_it() {
        let text = "word ".repeat(60) + "µ and ± count as one column each";
        for columns in [10, 40, 80] {
            assert!(wrap(&text, columns, "   ").lines().all(|line| line.chars().count() <= columns), "{columns}");
        }
    }
}
