//! `wgpo lecture`.

use super::clip::Term;
use super::figure;
use super::ridge::{MAX_KL, Method, RATE, STEPS, objective, walk};
use crate::args::lecture::LectureArgs;
use crate::files;
use crate::program::{SUCCESS, Status};
use anyhow::{Context, Result};

/// Computes and draws both pictures.
pub fn lecture(args: &LectureArgs) -> Result<Status> {
    let terms = [Term::new(1.0)?, Term::new(-1.0)?];
    let paths = [walk(Method::GradientAscent)?, walk(Method::TrustRegion)?];
    std::fs::create_dir_all(&args.out).with_context(|| format!("{}: cannot make the folder", args.out.display()))?;
    for (name, picture) in [("clip.svg", figure::clip(&terms)?), ("trust_region.svg", figure::ridge(&paths)?)] {
        files::write(&args.out.join(name), picture.as_bytes())?;
    }
    let [ascent, region] = paths.map(|path| path.last().map_or(f64::NAN, |(mu, sigma)| objective(*mu, *sigma)));
    say!(
        "J after {STEPS} steps on a ridge: gradient ascent (rate {RATE}) {ascent:.3}, TRPO (KL ≤ {MAX_KL}) {region:.3}"
    );
    say!("pictures: {}", args.out.join("clip.svg").display());
    say!("          {}", args.out.join("trust_region.svg").display());
    Ok(SUCCESS)
}
