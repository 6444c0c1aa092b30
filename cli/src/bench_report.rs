//! `wgpo bench --report`: the picture, or a page with the picture and all numbers.

use crate::bench_figure;
use crate::bench_record::{Record, RowRecord};
use crate::bench_table::{digits, scaled, time};
use crate::files;
use anyhow::Result;
use std::path::Path;

const STYLE: &str = "body{font:15px/1.45 sans-serif;color:#282828;max-width:1140px;margin:24px auto;padding:0 16px}\
table{border-collapse:collapse;font-size:13px;margin:12px 0}th,td{padding:3px 9px;text-align:right;\
border-bottom:1px solid #ddd;white-space:nowrap}th:first-child,td:first-child{text-align:left}\
th{background:#f4f4f4;position:sticky;top:0}tr.refused td{color:#a00}svg{max-width:100%;height:auto}\
dt{font-weight:bold}code{background:#f4f4f4;padding:0 3px}";

/// Writes a page, or for .svg the picture alone.
pub fn write(path: &Path, record: &Record) -> Result<()> {
    let svg = bench_figure::draw(record)?;
    let text = if path.extension().is_some_and(|end| end == "svg") { svg } else { page(record, &svg) };
    files::write(path, text.as_bytes())
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

fn page(record: &Record, svg: &str) -> String {
    let title = escape(&format!("wgpo bench: {}", record.place.describe()));
    let costs = match (record.roof.dispatch_seconds, record.roof.submission_seconds, record.roof.readback_seconds) {
        (Some(dispatch), Some(submission), Some(readback)) => format!(
            "<p>A dispatch costs {}, a submission {}, reading four bytes back {}.</p>",
            time(dispatch),
            time(submission),
            time(readback)
        ),
        _ => String::new(),
    };
    let (kernels, pieces): (Vec<&RowRecord>, Vec<&RowRecord>) =
        record.rows.iter().partition(|row| row.name.starts_with("kernel/"));
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>{title}</title>\
         <meta name=\"viewport\" content=\"width=device-width\"><style>{STYLE}</style></head>\n<body>\n{svg}\n\
         <p>How the limits were measured: {}.</p>{costs}\n\
         <dl><dt>time</dt><dd>median of one run, and half the distance of the quartiles in per cent of it; by the device's \
         clock where the last column says so, else by the host's</dd>\
         <dt>roof</dt><dd>the time that memory and arithmetic allow for what has to move and to be computed, over the time \
         that it took; above 100 % where a cache holds the data</dd>\
         <dt>share</dt><dd>of the update of its net, all dispatches of the kernel together</dd>\
         <dt>error</dt><dd>the worst against the f64 reference, before anything was timed; and what is let pass</dd></dl>\n\
         {}\n{}\n<p>wgpo {}, {}, {}, {}</p>\n</body></html>\n",
        escape(&record.roof.method),
        table("Whole pieces", &pieces),
        table("Kernels", &kernels),
        escape(&record.wgpo),
        escape(&record.date),
        escape(&record.place.architecture),
        escape(&record.place.system),
    )
}

fn table(title: &str, rows: &[&RowRecord]) -> String {
    if rows.is_empty() {
        return String::new();
    }
    let columns = [
        title,
        "time",
        "±",
        "per second",
        "GFLOP/s",
        "GB/s",
        "roof",
        "share",
        "dispatches",
        "submissions",
        "read-backs",
        "error",
        "tolerance",
        "clock",
    ];
    let head: String = columns.iter().map(|name| format!("<th>{name}</th>")).collect();
    let body: String = rows.iter().map(|row| line(row)).collect();
    format!("<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>")
}

fn line(row: &RowRecord) -> String {
    let name = escape(row.name.strip_prefix("kernel/").unwrap_or(&row.name));
    let shape = escape(&row.shape);
    let Some(seconds) = row.seconds else {
        let fault = escape(row.fault.as_deref().unwrap_or("it did not match"));
        return format!(
            "<tr class=\"refused\"><td title=\"{shape}\">{name}</td><td colspan=\"13\">refused: {fault}</td></tr>"
        );
    };
    let none = || "–".to_owned();
    let giga = |rate: Option<f64>| rate.map_or_else(none, |rate| digits(rate * 1e-9));
    let percent = |share: Option<f64>| share.map_or_else(none, |share| digits(100.0 * share) + "%");
    let count = |count: Option<u64>| count.map_or_else(none, |count| count.to_string());
    let cells = [
        time(seconds.median),
        format!("{:.0}%", 100.0 * seconds.relative()),
        row.units_per_second.map_or_else(none, |rate| format!("{}{}", scaled(rate), row.unit)),
        giga(row.flops_per_second),
        giga(row.bytes_per_second),
        percent(row.roof_share),
        percent(row.update_share),
        count(row.dispatches),
        count(row.submissions),
        count(row.readbacks),
        row.worst_error.map_or_else(none, |error| format!("{error:.1e}")),
        format!("{:.1e}", row.tolerance),
        escape(row.clock.as_deref().unwrap_or("–")),
    ];
    let cells: String = cells.iter().map(|cell| format!("<td>{cell}</td>")).collect();
    format!("<tr><td title=\"{shape}\">{name}</td>{cells}</tr>")
}
