//! The one place that prints. A reader that goes away (`| head -1`) or a full device ends the words and nothing else: `println!`
//! would end the program, and with it the training. Lints forbid it elsewhere.

use std::fmt::{Arguments, Display};
use std::io::{self, ErrorKind, Write};
use std::sync::OnceLock;

/// The first error of standard output; nothing is printed there after it.
static OUT: OnceLock<io::Error> = OnceLock::new();
/// The same of standard error.
static ERR: OnceLock<io::Error> = OnceLock::new();

/// Prints a line on standard output.
macro_rules! say {
    ($($words:tt)*) => { $crate::say::out(format_args!($($words)*)) };
}

/// Prints a line on standard error.
macro_rules! tell {
    ($($words:tt)*) => { $crate::say::err(format_args!($($words)*)) };
}

/// `say!`
pub fn out(words: Arguments<'_>) {
    line(&OUT, &mut io::stdout().lock(), words);
}

/// `tell!`
pub fn err(words: Arguments<'_>) {
    line(&ERR, &mut io::stderr().lock(), words);
}

fn line(stream: &OnceLock<io::Error>, to: &mut dyn Write, words: Arguments<'_>) {
    if stream.get().is_none()
        && let Err(error) = writeln!(to, "{words}").and_then(|()| to.flush())
    {
        // Set by nobody else: the caller holds the lock of the stream.
        let _ = stream.set(error);
    }
}

/// Whether nothing more can be printed on standard output.
pub fn is_over() -> bool {
    OUT.get().is_some()
}

/// Why some of what was printed on standard output is lost. A reader that went away wanted no more, and lost nothing.
pub fn lost() -> Option<&'static (impl Display + use<>)> {
    OUT.get().filter(|error| error.kind() != ErrorKind::BrokenPipe)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes so many lines, then fails.
    struct Reader(usize, Vec<u8>);

    impl Write for Reader {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            if self.1.iter().filter(|byte| **byte == b'\n').count() >= self.0 {
                return Err(ErrorKind::BrokenPipe.into());
            }
            self.1.extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn words_end_where_nobody_listens() {
        let (stream, mut reader) = (OnceLock::new(), Reader(2, Vec::new()));
        for word in ["one", "two", "three"] {
            line(&stream, &mut reader, format_args!("{word}"));
        }
        assert_eq!(reader.1, b"one\ntwo\n");
        assert_eq!(stream.get().unwrap().kind(), ErrorKind::BrokenPipe);
        // Should the reader take more again, the middle is not left out.
        reader.0 = 9;
        line(&stream, &mut reader, format_args!("four"));
        assert_eq!(reader.1, b"one\ntwo\n");
    }
}
