//! `wgpo bench --report`: the picture, or a page with the picture and all numbers.

use super::figure;
use super::table::{costs, digits, scaled, time};
use crate::files;
use crate::svg::escape;
use anyhow::Result;
use std::path::Path;
use wgpo::bench::record::{LoadRecord, Record, RowRecord};

/// All columns fit a window of 1280 pixels; in a narrower one a table scrolls by itself.
const STYLE: &str = ":root{color-scheme:light dark;--ink:#282828;--paper:#fff;--head:#f2f2f2;--line:#ddd;--bad:#a40000}\
@media(prefers-color-scheme:dark){:root{--ink:#dedede;--paper:#171717;--head:#282828;--line:#3a3a3a;--bad:#ff8f8f}}\
body{font:15px/1.45 sans-serif;color:var(--ink);background:var(--paper);max-width:1216px;margin:24px auto;padding:0 16px}\
.table{overflow-x:auto}table{border-collapse:collapse;font-size:13px;margin:12px 0;width:100%}\
th,td{padding:3px 6px;text-align:right;border-bottom:1px solid var(--line);white-space:nowrap}\
th:first-child,td:first-child,tr.refused td{text-align:left}th{background:var(--head)}\
tr.refused td,td.unsteady{color:var(--bad)}tr.refused td:last-child{white-space:normal}\
svg{max-width:100%;height:auto}dt{font-weight:bold}";

/// Writes a page, or for .svg the picture alone.
pub fn write(path: &Path, record: &Record) -> Result<()> {
    let svg = figure::draw(record);
    let text = if path.extension().is_some_and(|end| end == "svg") { svg } else { page(record, &svg) };
    files::write(path, text.as_bytes())
}

fn page(record: &Record, svg: &str) -> String {
    let title = escape(&format!("wgpo bench: {}", record.place.describe()));
    let roof = &record.roof;
    let costs = costs(roof.dispatch_seconds, roof.submission_seconds, roof.readback_seconds);
    let costs = costs.map_or_else(String::new, |costs| format!(" Costs: {costs}."));
    let doubt = roof.doubt().map_or_else(String::new, |doubt| format!(" {}.", escape(&capital(&doubt))));
    let load = record.load.as_ref().map(LoadRecord::describe);
    let load = load.map_or_else(String::new, |load| format!(" {}.", capital(&load)));
    let (kernels, pieces): (Vec<&RowRecord>, Vec<&RowRecord>) =
        record.rows.iter().partition(|row| row.kernel().is_some());
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>{title}</title>\
         <meta name=\"viewport\" content=\"width=device-width\"><style>{STYLE}</style></head>\n<body>\n{svg}\n\
         <p>How the limits were measured: {}.{doubt}{costs}{load}</p>\n\
         <dl><dt>time</dt><dd>median of one run over rounds that lie apart in time, and half the distance of their quartiles in \
         per cent of it; ! where the first and the second half of the rounds differ by more than 10 %. By the device's clock where \
         the last column says so, else by the host's</dd>\
         <dt>roof</dt><dd>the time that memory and arithmetic allow for what has to move and to be computed, over the time \
         that it took; above 100 % where a cache holds the data</dd>\
         <dt>share</dt><dd>of the update of its net, all dispatches of the kernel together</dd>\
         <dt>disp, sub, rb</dt><dd>dispatches, submissions and read-backs of one run</dd>\
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

/// With a capital letter.
fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
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
        "disp",
        "sub",
        "rb",
        "error",
        "let pass",
        "clock",
    ];
    let head: String = columns.iter().map(|name| format!("<th>{name}</th>")).collect();
    let body: String = rows.iter().map(|row| line(row)).collect();
    format!("<div class=\"table\"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>")
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
        format!("{:.0}%{}", 100.0 * seconds.relative(), if row.is_steady() { "" } else { "!" }),
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
    let class = |index: usize| if index == 1 && !row.is_steady() { " class=\"unsteady\"" } else { "" };
    let cell = |(index, cell): (usize, &String)| format!("<td{}>{cell}</td>", class(index));
    let cells: String = cells.iter().enumerate().map(cell).collect();
    format!("<tr><td title=\"{shape}\">{name}</td>{cells}</tr>")
}
