//! The tests that look at the source, the shaders and the documents and compute nothing.
//!
//! Few test programs, because each of them compiles the reference's generic code and links all dependencies anew. One module's tests:
//! `cargo test --test structure layers`.

mod coverage;
mod documents;
mod layers;
mod shaders;
