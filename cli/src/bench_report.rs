//! placeholder
pub fn write(_path: &std::path::Path, _record: &crate::bench_record::Record) -> anyhow::Result<()> {
    Ok(())
}
