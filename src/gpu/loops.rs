//! On which drivers kernels are compiled with loops in place of copies of code (part `loops`).

/// The first Mesa whose lavapipe runs our kernels as fast with loops as without, and compiles them 4 to 6 times faster: a
/// gradient of weights of 256 → 256 over 2,048 rows takes 99 ms with and 98 ms without in 25.0.7, but 1.4 s and 0.3 s in
/// 22.3.6, whose compiler has no trouble with the copies.
const MESA: u32 = 24;

/// Whether a kernel is to have loops on this adapter; `for_hardware` is of its definition. Its bits are the same.
pub(super) fn wanted(info: &wgpu::AdapterInfo, for_hardware: bool) -> bool {
    let new = || mesa(&info.driver_info).is_some_and(|version| version >= MESA);
    info.device_type == wgpu::DeviceType::Cpu && (for_hardware || new())
}

/// 25 of `Mesa 25.0.7-2 (LLVM 15.0.6)`.
fn mesa(driver_info: &str) -> Option<u32> {
    let (_, version) = driver_info.split_once("Mesa ")?;
    version.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loops_are_for_new_mesa_on_the_cpu_and_for_kernels_that_nobody_runs_there() {
        let info = |kind, text: &str| wgpu::AdapterInfo {
            driver_info: text.to_owned(),
            ..wgpu::AdapterInfo::new(kind, wgpu::Backend::Vulkan)
        };
        use wgpu::DeviceType::{Cpu, DiscreteGpu};
        let table = [
            (Cpu, "Mesa 25.0.7-2~bpo12+1 (LLVM 15.0.6)", true, true),
            (Cpu, "4.5 (Core Profile) Mesa 25.0.7", true, true),
            (Cpu, "Mesa 22.3.6 (LLVM 15.0.6)", false, true),
            (Cpu, "5.0.0", false, true),
            (Cpu, "Mesa", false, true),
            (DiscreteGpu, "Mesa 25.0.7", false, false),
        ];
        for (kind, text, plain, fused) in table {
            assert_eq!(wanted(&info(kind, text), false), plain, "{text}");
            assert_eq!(wanted(&info(kind, text), true), fused, "{text}");
        }
    }
}
