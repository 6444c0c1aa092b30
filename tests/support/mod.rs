//! What several modules of tests share.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // test code, though not inside a #[test]

pub mod golden;
pub mod gpu;
pub mod solved;
