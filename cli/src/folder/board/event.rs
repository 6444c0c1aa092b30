//! One event as bytes.
//!
//! The messages are what a file of numbers needs of TensorFlow's `event.proto` and `summary.proto`; fields have the numbers that they have
//! there. A file is a list of TFRecords: the length in 8 bytes, its masked CRC-32C, the message, its masked CRC-32C, all little-endian.

use anyhow::Result;
use protobuf::CodedOutputStream as Output;

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
pub fn version(wall_time: f64) -> Result<Vec<u8>> {
    record(wall_time, 0, |event| event.write_string(FILE_VERSION, VERSION))
}

/// The record after which a reader forgets what earlier files have at `step` and later.
pub fn start(wall_time: f64, step: u64) -> Result<Vec<u8>> {
    let log = message(|log| log.write_int32(STATUS, START))?;
    record(wall_time, step, |event| event.write_bytes(SESSION_LOG, &log))
}

/// The record of `tags` at `step`. A number that is not finite in f32, in which the format has them, is left out.
pub fn scalars(wall_time: f64, step: u64, tags: &[(&str, f64)]) -> Result<Vec<u8>> {
    let summary = message(|summary| {
        for (tag, number) in
            tags.iter().map(|(tag, value)| (*tag, *value as f32)).filter(|(_, number)| number.is_finite())
        {
            let value = message(|value| {
                value.write_string(TAG, tag)?;
                value.write_float(SIMPLE_VALUE, number)
            })?;
            summary.write_bytes(VALUE, &value)?;
        }
        Ok(())
    })?;
    record(wall_time, step, |event| event.write_bytes(SUMMARY, &summary))
}

/// A message; within another one it is its bytes.
fn message(fields: impl FnOnce(&mut Output<'_>) -> protobuf::Result<()>) -> protobuf::Result<Vec<u8>> {
    let mut buffer = Vec::new();
    let mut output = Output::vec(&mut buffer);
    fields(&mut output)?;
    output.flush()?;
    drop(output);
    Ok(buffer)
}

fn record(wall_time: f64, step: u64, what: impl FnOnce(&mut Output<'_>) -> protobuf::Result<()>) -> Result<Vec<u8>> {
    let event = message(|event| {
        event.write_double(WALL_TIME, wall_time)?;
        event.write_int64(STEP, i64::try_from(step).unwrap_or(i64::MAX))?;
        what(event)
    })?;
    let length = (event.len() as u64).to_le_bytes();
    let sums = [&length[..], &event].map(|bytes| masked(bytes).to_le_bytes());
    Ok([&length[..], &sums[0], &event, &sums[1]].concat())
}

const CRC_32C: crc::Crc<u32> = crc::Crc::<u32>::new(&crc::CRC_32_ISCSI);

/// The CRC-32C of `bytes`, rotated and moved on, as TFRecords have it: a checksum of data with checksums in it is weak.
pub fn masked(bytes: &[u8]) -> u32 {
    CRC_32C.checksum(bytes).rotate_right(15).wrapping_add(0xa282_ead8)
}
