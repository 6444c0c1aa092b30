//! What both parts of the picture share: its width, and a colour for each stage of the computation.

/// Width of the picture.
pub const WIDTH: f64 = 1180.0;

/// What kernels whose names begin so have in common, and their colour. Told apart by people with the usual kinds of colour
/// blindness (after Okabe and Ito), and light enough for black letters.
pub const STAGES: [(&str, &str, &[&str]); 10] = [
    ("networks forward", "#56b4e9", &["mlp_forward"]),
    ("networks backward", "#e69f00", &["mlp_backward"]),
    ("tangents", "#8c9eff", &["mlp_jvp"]),
    ("loss and heads", "#e08a5b", &["loss", "head"]),
    ("optimiser", "#3cc79c", &["optim"]),
    ("conjugate gradients", "#d78fc0", &["cg"]),
    ("sums", "#b9a37e", &["reduce"]),
    ("minibatches", "#b5b5b5", &["batch", "replay"]),
    ("advantages", "#f0e442", &["advantage"]),
    ("acting", "#a3cf62", &["policy", "env", "rollout"]),
];

/// Name and colour of the stage that `kernel` belongs to.
pub fn stage(kernel: &str) -> (&'static str, &'static str) {
    let known = STAGES.iter().find(|(.., begins)| begins.iter().any(|begin| kernel.starts_with(begin)));
    known.map_or(("others", "#b0b0b0"), |(name, colour, _)| (name, colour))
}

/// About how wide `text` is.
pub fn length(text: &str, size: f64) -> f64 {
    0.58 * size * text.chars().count() as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kernel_has_a_stage_of_its_own_colour() {
        for def in wgpo::low_level::kernels::ALL {
            assert_ne!(stage(def.name).0, "others", "{}", def.name);
        }
        let mut colours: Vec<_> = STAGES.iter().map(|(_, colour, _)| colour).collect();
        colours.sort_unstable();
        colours.dedup();
        assert_eq!(colours.len(), STAGES.len(), "one colour, one meaning");
    }
}
