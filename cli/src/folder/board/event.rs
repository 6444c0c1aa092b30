//! One event as bytes.
//!
//! The messages are what a file of numbers needs of TensorFlow's `event.proto` and `summary.proto`; fields have the numbers that they have
//! there. A file is a list of TFRecords: the length in 8 bytes, its masked CRC-32C, the message, its masked CRC-32C, all little-endian.

use prost::encoding::{bytes, double, float, int32, int64, string};

/// The version that TensorBoard's readers want a file to begin with.
const VERSION: &str = "brain.Event:2";

/// Fields of `Event`: seconds since 1970, environment steps, and one of the three that follow.
const WALL_TIME: u32 = 1;
const STEP: u32 = 2;
const FILE_VERSION: u32 = 3;
const SUMMARY: u32 = 5;
const SESSION_LOG: u32 = 7;
/// The field of `Summary`, which is repeated, and the two of its entries.
const VALUE: u32 = 1;
const TAG: u32 = 1;
const SIMPLE_VALUE: u32 = 2;
/// The field of `SessionLog`.
const STATUS: u32 = 1;
/// `SessionLog.START`: what an earlier file has from its step on is void.
const START: i32 = 1;

/// The first record of a file.
pub fn version(wall_time: f64) -> Vec<u8> {
    record(wall_time, 0, |event| string::encode(FILE_VERSION, &VERSION.to_owned(), event))
}

/// The record after which a reader forgets what earlier files have at `step` and later.
pub fn start(wall_time: f64, step: u64) -> Vec<u8> {
    let log = message(|log| int32::encode(STATUS, &START, log));
    record(wall_time, step, |event| bytes::encode(SESSION_LOG, &log, event))
}

/// The record of `tags` at `step`. A number that is not finite in f32, in which the format has them, is left out.
pub fn scalars(wall_time: f64, step: u64, tags: &[(&str, f64)]) -> Vec<u8> {
    let values = tags.iter().map(|(tag, value)| (*tag, *value as f32)).filter(|(_, value)| value.is_finite());
    let summary = message(|summary| {
        for (tag, number) in values {
            let value = message(|value| {
                string::encode(TAG, &tag.to_owned(), value);
                float::encode(SIMPLE_VALUE, &number, value);
            });
            bytes::encode(VALUE, &value, summary);
        }
    });
    record(wall_time, step, |event| bytes::encode(SUMMARY, &summary, event))
}

/// A message within another is its bytes.
fn message(fields: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut buffer = Vec::new();
    fields(&mut buffer);
    buffer
}

fn record(wall_time: f64, step: u64, what: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let event = message(|event| {
        double::encode(WALL_TIME, &wall_time, event);
        int64::encode(STEP, &i64::try_from(step).unwrap_or(i64::MAX), event);
        what(event);
    });
    let length = (event.len() as u64).to_le_bytes();
    let sums = [&length[..], &event].map(|bytes| masked(bytes).to_le_bytes());
    [&length[..], &sums[0], &event, &sums[1]].concat()
}

/// The CRC-32C of `bytes`, rotated and moved on, as TFRecords have it: a checksum of data with checksums in it is weak.
pub fn masked(bytes: &[u8]) -> u32 {
    crc::Crc::<u32>::new(&crc::CRC_32_ISCSI).checksum(bytes).rotate_right(15).wrapping_add(0xa282_ead8)
}
