use super::*;
use wgpu::{Backend, DeviceType};

fn adapter(kind: DeviceType, backend: Backend, [name, driver, version, place]: [&str; 4]) -> AdapterSummary {
    let mut info = wgpu::AdapterInfo::new(kind, backend);
    (info.name, info.driver) = (name.into(), driver.into());
    (info.driver_info, info.device_pci_bus_id) = (version.into(), place.into());
    let (limits, features) = (wgpu::Limits::default(), wgpu::Features::empty());
    AdapterSummary { index: 0, handle: String::new(), info, limits, features }
}

fn sorted(mut all: Vec<AdapterSummary>) -> Vec<AdapterSummary> {
    all.sort_by_cached_key(|s| order(&s.info));
    numbered(all)
}

#[test]
fn hardware_comes_before_software_and_native_before_gl() {
    let all = sorted(
        [
            (DeviceType::Cpu, Backend::Vulkan),
            (DeviceType::DiscreteGpu, Backend::Gl),
            (DeviceType::IntegratedGpu, Backend::Vulkan),
            (DeviceType::DiscreteGpu, Backend::Vulkan),
        ]
        .map(|(kind, backend)| adapter(kind, backend, [""; 4]))
        .to_vec(),
    );
    let kinds: Vec<_> = all.iter().map(|s| (s.info.device_type, s.info.backend)).collect();
    assert_eq!(kinds[0], (DeviceType::DiscreteGpu, Backend::Vulkan));
    assert_eq!(kinds[1], (DeviceType::DiscreteGpu, Backend::Gl));
    assert_eq!(kinds[3], (DeviceType::Cpu, Backend::Vulkan));
    let index = |some: &[AdapterSummary]| best(some.iter()).map(|one| one.index);
    assert_eq!((index(&all), index(&all[2..]), index(&[])), (Some(0), Some(2), None));
}

/// Two versions of one driver, in the order that the loader happens to have, and the same by GL.
fn drivers(turned: bool) -> Vec<AdapterSummary> {
    let name = "llvmpipe (LLVM 15.0.6, 256 bits)";
    let lavapipe = |version| adapter(DeviceType::Cpu, Backend::Vulkan, [name, "llvmpipe", version, ""]);
    let mut all = vec![
        lavapipe("Mesa 25.0.7-2~bpo12+1 (LLVM 15.0.6)"),
        lavapipe("Mesa 22.3.6 (LLVM 15.0.6)"),
        adapter(DeviceType::Cpu, Backend::Gl, [name, "", "4.5 (Core Profile) Mesa 22.3.6", ""]),
        adapter(DeviceType::Cpu, Backend::Vulkan, ["SwiftShader Device (Subzero)", "SwiftShader driver", "5.0.0", ""]),
    ];
    if turned {
        all.reverse();
    }
    sorted(all)
}

#[test]
fn the_loaders_order_is_not_ours_and_each_has_its_handle() {
    let of = |all: &[AdapterSummary]| all.iter().map(|s| line(&s.info)).collect::<Vec<_>>();
    let all = drivers(false);
    assert_eq!(of(&all), of(&drivers(true)));
    let handles: Vec<&str> = all.iter().map(|s| s.handle.as_str()).collect();
    assert_eq!(handles, ["swiftshader", "llvmpipe 22.3.6", "llvmpipe 25.0.7", "llvmpipe gl"]);
    for (index, s) in all.iter().enumerate() {
        assert_eq!(named(&all, &s.handle).unwrap().map(|found| found.index), Some(index), "{}", s.handle);
    }
}

#[test]
fn what_several_answer_to_is_told_with_what_to_write() {
    let all = drivers(false);
    let error = named(&all, "LLVMpipe").unwrap_err().to_string();
    for words in ["\"llvmpipe\" matches 2 adapters equally well", "is \"llvmpipe 22.3.6\"", "is \"llvmpipe 25.0.7\""] {
        assert!(error.contains(words), "{error}");
    }
    let index = |name| named(&all, name).unwrap().map(|found| found.index);
    assert_eq!((index("25.0.7"), index("Mesa 22.3.6 (LLVM"), index("gl llvmpipe")), (Some(2), Some(1), Some(3)));
    assert_eq!((index("nvidia"), index(""), index("  ")), (None, None, None));
    // Among a native API and GL, and among those of one model, there is nothing to ask.
    let all = drivers(false).into_iter().filter(|s| !s.info.driver_info.contains("25.0.7")).collect();
    assert_eq!(named(&numbered(all), "llvmpipe").unwrap().map(|found| found.index), Some(1));
    let card = |place| adapter(DeviceType::DiscreteGpu, Backend::Vulkan, ["NVIDIA H200", "NVIDIA", "565.57", place]);
    let all = sorted(vec![card("0000:81:00.0"), card("0000:01:00.0")]);
    let found = named(&all, "nvidia").unwrap().unwrap();
    assert_eq!(found.info.device_pci_bus_id, "0000:01:00.0");
    assert_eq!((all[0].handle.as_str(), all[1].handle.as_str()), ("nvidia", "0000:81:00.0"));
    let twins = sorted(vec![card(""), card("")]);
    assert_eq!((twins[0].handle.as_str(), twins[1].handle.as_str()), ("nvidia", "1"));
}
