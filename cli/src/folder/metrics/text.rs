//! metrics.csv as text. Each row says which run it is of, and ends with a checksum of what stands before it.

use super::row::Row;
use anyhow::{Context, Result, bail};
use std::path::Path;

/// Columns that the files of earlier versions lack.
pub const NEW: [&str; 12] = [
    "head_hits",
    "ent_coef",
    "clip_coef",
    "greedy_return",
    "greedy_return_min",
    "greedy_return_max",
    "gradient_steps",
    "q_values",
    "alpha",
    "epsilon",
    "run",
    CHECKSUM,
];
/// CRC-32 of the row's text before the last comma.
const CHECKSUM: &str = "checksum";

/// What a file holds.
#[derive(Debug, Default)]
pub struct Found {
    /// Rows that are whole.
    pub rows: Vec<Row>,
    /// Lines that are not.
    pub damaged: Vec<Vec<u8>>,
    /// The line with the names of the columns.
    pub header: Vec<u8>,
    /// What stands in its place, if that is damaged.
    pub damaged_names: Option<Vec<u8>>,
}

/// The text of `row`, or of the columns' names, in which a row has no part.
fn text(row: &Row, names: bool) -> Result<String> {
    let mut text = csv::WriterBuilder::new().has_headers(names).from_writer(Vec::new());
    text.serialize(row)?;
    let text = String::from_utf8(text.into_inner().map_err(|error| error.into_error())?)?;
    Ok(text.lines().next().unwrap_or_default().to_owned())
}

/// The names of all columns, in order.
pub fn columns() -> Result<Vec<String>> {
    Ok(header()?.split(',').map(str::to_owned).collect())
}

/// The first line.
pub fn header() -> Result<String> {
    Ok(text(&Row::default(), true)? + "," + CHECKSUM)
}

/// The line of a row.
pub fn line(row: &Row) -> Result<String> {
    let row = text(row, false)?;
    Ok(format!("{row},{}", crc32fast::hash(row.as_bytes())))
}

/// The rows of `bytes`, which are of the file `path`. A last line without its end was cut short by a crash, and left out. Where the columns'
/// names are damaged, a row that has all columns, its checksum and the run's number says that the file is ours.
///
/// # Errors
/// If it is another program's file, or another run's.
pub fn read(path: &Path, bytes: &[u8], run: u64) -> Result<Found> {
    let mut found = Found::default();
    let mut lines = bytes.split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    let first = lines.next().unwrap_or_default();
    if bytes.iter().all(|byte| b"\r\n".contains(byte)) {
        return Ok(found);
    }
    let names = match names(path, first) {
        Ok(names) => {
            found.header = first.to_vec();
            names
        }
        Err(error) => {
            let known = csv::StringRecord::from(columns()?);
            let is_own = |line| row(line, &known, true).is_some_and(|row| row.run == Some(run));
            if !lines.clone().any(is_own) {
                return Err(error);
            }
            found.header = header()?.into_bytes();
            found.damaged_names = Some(first.to_vec());
            known
        }
    };
    let checked = names.iter().next_back() == Some(CHECKSUM);
    let mut lines = lines.peekable();
    while let Some(line) = lines.next() {
        let is_last = lines.peek().is_none();
        match row(line, &names, checked) {
            Some(row) if row.run.is_some_and(|other| other != run) => bail!(
                "{}: has rows of run {}, but this is run {run}; move it away, and the run continues",
                path.display(),
                row.run.unwrap_or_default()
            ),
            Some(row) if !is_last || checked => found.rows.push(row),
            _ if is_last => {}
            _ => found.damaged.push(line.to_vec()),
        }
    }
    Ok(found)
}

/// The columns of a file that is ours.
fn names(path: &Path, header: &[u8]) -> Result<csv::StringRecord> {
    let not_ours = "so it is not this run's; move it away, and the run continues";
    let header = str::from_utf8(header)
        .with_context(|| format!("{}: the names of its columns are no text, {not_ours}", path.display()))?;
    let names: Vec<_> = header.split(',').collect();
    let known = columns()?;
    if let Some(name) = known.iter().find(|name| !NEW.contains(&name.as_str()) && !names.contains(&name.as_str())) {
        bail!("{}: has no column {name}, {not_ours}", path.display());
    }
    let is_odd = |(index, name): &(usize, &&str)| {
        !known.iter().any(|one| one == *name)
            || names[..*index].contains(name)
            || (**name == CHECKSUM && index + 1 < names.len())
    };
    if let Some((_, name)) = names.iter().enumerate().find(is_odd) {
        bail!("{}: has a column {name:?} that this version does not write there, {not_ours}", path.display());
    }
    Ok(csv::StringRecord::from(names))
}

/// A row that is whole.
fn row(line: &[u8], names: &csv::StringRecord, checked: bool) -> Option<Row> {
    let line = str::from_utf8(line).ok()?;
    if checked {
        let (before, checksum) = line.rsplit_once(',')?;
        if checksum.parse() != Ok(crc32fast::hash(before.as_bytes())) {
            return None;
        }
    }
    let fields = csv::StringRecord::from(line.split(',').collect::<Vec<_>>());
    if fields.len() == names.len() { fields.deserialize(Some(names)).ok() } else { None }
}
