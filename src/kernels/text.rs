//! The text of shaders as a module of the browser carries it: without comments and indentation, which are a third of it.

/// `text` without comments to the end of a line, and without spaces at a line's beginning and end. Lines keep their numbers, so a compiler's message
/// still names the right one. WGSL has no strings, so two slashes are always a comment; our shaders have no `/* */`.
///
/// `N` is [`bare_len`] of the same text; the rest, if there is any, is zeros.
pub(crate) const fn bare<const N: usize>(text: &str) -> [u8; N] {
    let from = text.as_bytes();
    let mut to = [0; N];
    let (mut at, mut len) = (0, 0);
    while at < from.len() {
        let (begin, end, next) = line(from, at);
        let mut i = begin;
        while i < end && len < N {
            to[len] = from[i];
            len += 1;
            i += 1;
        }
        if next <= from.len() && len < N {
            to[len] = b'\n';
            len += 1;
        }
        at = next;
    }
    to
}

/// Bytes of [`bare`].
pub(crate) const fn bare_len(text: &str) -> usize {
    let from = text.as_bytes();
    let (mut at, mut len) = (0, 0);
    while at < from.len() {
        let (begin, end, next) = line(from, at);
        len += end - begin;
        if next <= from.len() {
            len += 1;
        }
        at = next;
    }
    len
}

/// Where what is kept of the line at `at` begins and ends, and where the next line begins: beyond the end of the text if this is the last one, and no
/// line break ends it.
const fn line(from: &[u8], at: usize) -> (usize, usize, usize) {
    let mut begin = at;
    while begin < from.len() && from[begin] == b' ' {
        begin += 1;
    }
    let (mut end, mut comment) = (begin, begin);
    while end < from.len() && from[end] != b'\n' {
        end += 1;
    }
    let next = end + 1;
    while comment < end && !(from[comment] == b'/' && comment + 1 < end && from[comment + 1] == b'/') {
        comment += 1;
    }
    let mut last = comment;
    while last > begin && from[last - 1] == b' ' {
        last -= 1;
    }
    (begin, last, next)
}

/// A file of `shaders/`, as the target carries it.
macro_rules! shader {
    ($($path:expr),+) => {{
        const TEXT: &str = include_str!(concat!("../../shaders/", $($path),+));
        const BARE: &[u8] = &$crate::kernels::text::bare::<{ $crate::kernels::text::bare_len(TEXT) }>(TEXT);
        match std::str::from_utf8(BARE) {
            // Natively the text is what a debugger shows.
            Ok(bare) if cfg!(target_arch = "wasm32") => bare,
            _ => TEXT,
        }
    }};
}
pub(crate) use shader;

#[cfg(test)]
mod tests {
    use super::{bare, bare_len};
    use crate::kernels::{ALL, parts};

    fn of(text: &str) -> String {
        // Longer than any of ours.
        let bytes = bare::<65536>(text);
        String::from_utf8(bytes[..bare_len(text)].to_vec()).unwrap()
    }

    #[test]
    fn comments_and_indentation_go_and_lines_stay() {
        assert_eq!(of("a / b // c\n    // d\n\n  e // f // g"), "a / b\n\n\ne");
        assert_eq!(of("a\n"), "a\n");
        assert_eq!(of("// α\na/b\n"), "\na/b\n");
        assert_eq!(of(""), "");
        // Too little room is filled, never passed.
        assert_eq!(&bare::<2>("abc\n"), b"ab");
    }

    #[test]
    fn every_shader_is_the_same_without() {
        let compiled = |text: &str| {
            let module = naga::front::wgsl::parse_str(text).unwrap();
            let flags = naga::valid::ValidationFlags::all();
            let info = naga::valid::Validator::new(flags, naga::valid::Capabilities::all()).validate(&module).unwrap();
            let none = naga::back::PipelineConstants::default();
            let (module, info) =
                naga::back::pipeline_constants::process_overrides(&module, &info, None, &none).unwrap();
            naga::back::spv::write_vec(&module, &info, &naga::back::spv::Options::default(), None).unwrap()
        };
        for part in parts::ALL {
            assert_eq!(of(part.source).lines().count(), part.source.lines().count(), "{}", part.name);
            assert!(!of(part.source).contains("//"), "{}", part.name);
        }
        for def in ALL.iter().filter(|def| def.choices.is_empty()) {
            let text = def.compose(&Default::default());
            assert_eq!(compiled(&of(&text)), compiled(&text), "{}", def.name);
        }
    }
}
