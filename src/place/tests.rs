//! The choice in words, the reasons, and adapters that are found again.

use super::*;

fn adapter(index: usize, kind: wgpu::DeviceType, [name, driver, version]: [&str; 3]) -> AdapterSummary {
    let mut info = wgpu::AdapterInfo::new(kind, wgpu::Backend::Vulkan);
    (info.name, info.driver, info.driver_info) = (name.into(), driver.into(), version.into());
    let (limits, features) = (wgpu::Limits::default(), wgpu::Features::empty());
    AdapterSummary { index, handle: format!("handle {index}"), info, limits, features }
}

#[test]
fn one_word_says_where() {
    let of = |text: &str| text.parse::<PlaceChoice>().unwrap();
    assert_eq!((of("auto"), of("cpu")), (PlaceChoice::Auto, PlaceChoice::Cpu));
    assert_eq!(of("gpu"), PlaceChoice::Gpu(AdapterChoice::Best));
    assert_eq!(of("2"), PlaceChoice::Gpu(AdapterChoice::Index(2)));
    assert_eq!(of("0000:01:00.0"), PlaceChoice::Gpu(AdapterChoice::Name("0000:01:00.0".to_owned())));
}

#[cfg(feature = "cpu")]
#[test]
fn the_cpu_is_a_place_without_an_adapter() {
    let (place, reason) = Place::choose(&PlaceChoice::Cpu, &GpuOptions::default()).unwrap();
    assert_eq!((place.name(), place.describe().as_str(), reason), ("cpu", "CPU reference in f32", Reason::Asked));
    assert!(place.gpu().is_none());
}

#[cfg(not(feature = "cpu"))]
#[test]
fn without_the_reference_the_cpu_is_no_place() {
    let error = Place::choose(&PlaceChoice::Cpu, &GpuOptions::default()).unwrap_err().to_string();
    assert!(error.contains("without its feature `cpu`"), "{error}");
    // `auto` then takes a hardware GPU or fails as that one does.
    match Place::choose(&PlaceChoice::Auto, &GpuOptions::default()) {
        Ok((place, reason)) => assert!(place.gpu().is_some() && reason == Reason::Best, "{reason}"),
        Err(error) => assert!(!matches!(error, Error::Config { .. }), "{error}"),
    }
}

/// With whatever adapters there are: `auto` is no error, and takes no software adapter unasked.
#[cfg(feature = "cpu")]
#[test]
fn auto_is_hardware_or_the_cpu() {
    let (place, reason) = Place::choose(&PlaceChoice::Auto, &GpuOptions::default()).unwrap();
    match &place {
        Place::Gpu(gpu) => assert!(!gpu.is_software() && reason == Reason::Best, "{reason}"),
        Place::Cpu => assert!(reason != Reason::Asked && reason != Reason::Best, "{reason}"),
    }
    // Who lets it take a software adapter is told that it did.
    let allowed = GpuOptions { allow_software: true, ..GpuOptions::default() };
    let (place, reason) = Place::choose(&PlaceChoice::Auto, &allowed).unwrap();
    if let Some(gpu) = place.gpu() {
        assert_eq!(reason, if gpu.is_software() { Reason::Software } else { Reason::Best });
    }
    // One that is not there is an error, not another place.
    let nowhere = PlaceChoice::Gpu(AdapterChoice::Name("no such adapter".to_owned()));
    assert!(matches!(Place::choose(&nowhere, &GpuOptions::default()), Err(Error::NoAdapter(_))));
}

#[test]
fn why_there_is_no_gpu_is_said() {
    let none = Error::NoAdapter("none".to_owned());
    assert_eq!(Reason::no_gpu(&none, &[]), Reason::NoGpu);
    let all = [
        adapter(0, wgpu::DeviceType::DiscreteGpu, ["Too Small", "", ""]),
        adapter(1, wgpu::DeviceType::Cpu, ["llvmpipe (LLVM 15)", "llvmpipe", "Mesa 22"]),
    ];
    let reason = Reason::no_gpu(&none, &all);
    assert_eq!(reason.to_string(), "no hardware GPU found, only llvmpipe, a software one");
    assert_eq!(reason, Reason::OnlySoftware { name: "llvmpipe".to_owned(), handle: "handle 1".to_owned() });
    let lost = Error::DeviceLost("it fell".to_owned());
    assert!(Reason::no_gpu(&lost, &all).to_string().starts_with("the GPU cannot be used: "));
}

#[test]
fn the_same_adapter_is_found_again_by_its_driver_first() {
    let all = [
        adapter(0, wgpu::DeviceType::Cpu, ["llvmpipe", "llvmpipe", "Mesa 22"]),
        adapter(1, wgpu::DeviceType::Cpu, ["llvmpipe", "llvmpipe", "Mesa 25"]),
    ];
    let identity = |driver: &str, api: &str| AdapterIdentity {
        name: "llvmpipe".to_owned(),
        api: api.to_owned(),
        driver: driver.to_owned(),
    };
    let index = |identity: AdapterIdentity| identity.find(&all).map(|one| one.index);
    assert_eq!(index(AdapterIdentity::of(&all[1].info)), Some(1));
    assert_eq!(index(identity("llvmpipe Mesa 25", "Vulkan")), Some(1));
    assert_eq!(index(identity("llvmpipe Mesa 30", "Vulkan")), Some(0), "another driver is better than none");
    assert_eq!(index(identity("", "Vulkan")), Some(0));
    assert_eq!(index(identity("llvmpipe Mesa 25", "Gl")), None);
}
