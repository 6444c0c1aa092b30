//! Environment variables that decide which adapters there are.

use crate::error::{Error, Result};

/// wgpu's variable: names of APIs, separated by commas.
pub(super) const BACKEND: &str = "WGPU_BACKEND";

/// What else hides drivers.
const OTHERS: [&str; 4] =
    ["VK_DRIVER_FILES", "VK_ICD_FILENAMES", "VK_LOADER_DRIVERS_SELECT", "VK_LOADER_DRIVERS_DISABLE"];

/// The names that wgpu knows, and what they stand for.
const NAMES: [(&str, wgpu::Backends); 10] = [
    ("vulkan", wgpu::Backends::VULKAN),
    ("vk", wgpu::Backends::VULKAN),
    ("metal", wgpu::Backends::METAL),
    ("mtl", wgpu::Backends::METAL),
    ("dx12", wgpu::Backends::DX12),
    ("d3d12", wgpu::Backends::DX12),
    ("opengl", wgpu::Backends::GL),
    ("gles", wgpu::Backends::GL),
    ("gl", wgpu::Backends::GL),
    ("webgpu", wgpu::Backends::BROWSER_WEBGPU),
];

/// The backends that `value` names, of those that are `enabled`. wgpu itself leaves out what it does not know, and is then without any.
///
/// # Errors
/// [`Error::Variable`] for a name that is none, and where none of them is enabled.
pub(super) fn backends(value: &str, enabled: wgpu::Backends) -> Result<wgpu::Backends> {
    let here = |set: wgpu::Backends| {
        let names = NAMES.iter().filter(|(name, one)| set.contains(*one) && name.len() > 3);
        let names: Vec<_> = names.map(|(name, _)| *name).filter(|name| !["gles", "d3d12"].contains(name)).collect();
        names.join(", ")
    };
    let wrong = |why: String| {
        let expected = format!("one or more of {}, separated by commas; leave it unset for all of them", here(enabled));
        Err(Error::Variable { name: BACKEND, value: value.to_owned(), why, expected })
    };
    if value.trim().is_empty() {
        return wrong("leaves no backend".to_owned());
    }
    let mut all = wgpu::Backends::empty();
    for part in value.split(',') {
        let name = part.trim().to_lowercase();
        match NAMES.iter().find(|(known, _)| *known == name) {
            Some((_, backend)) => all |= *backend,
            None => return wrong(format!("\"{}\" is no backend", part.trim())),
        }
    }
    if (all & enabled).is_empty() {
        return wrong("none of them is there in this program".to_owned());
    }
    Ok(all & enabled)
}

/// The variables that are set and narrow the list of adapters, in brackets, for a list that came out empty; nothing where none is set.
pub fn narrowed() -> String {
    let set: Vec<_> =
        [BACKEND].into_iter().chain(OTHERS).filter_map(|name| Some((name, std::env::var_os(name)?))).collect();
    let told = set.iter().map(|(name, value)| format!("{name} is \"{}\"", value.to_string_lossy()));
    let told = told.collect::<Vec<_>>().join(", ");
    if told.is_empty() { String::new() } else { format!(" ({told})") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wgpu::Backends;

    #[test]
    fn names_are_wgpus_own() {
        for (name, backend) in NAMES {
            assert_eq!(Backends::from_comma_list(name), backend, "{name}");
        }
    }

    #[test]
    fn what_leaves_no_backend_is_told_by_the_variables_name() {
        let enabled = Backends::VULKAN | Backends::GL;
        let text = |value| backends(value, enabled).unwrap_err().to_string();
        for (value, words) in [
            ("", "leaves no backend"),
            (" ", "leaves no backend"),
            ("all", "\"all\" is no backend"),
            ("vulcan", "\"vulcan\" is no backend"),
            ("vulkan,", "\"\" is no backend"),
            ("vulkan, gpu", "\"gpu\" is no backend"),
            ("metal", "none of them is there"),
        ] {
            let text = text(value);
            assert!(text.starts_with(&format!("WGPU_BACKEND is \"{value}\": {words}")), "{text}");
            assert!(
                text.contains("one or more of vulkan, opengl,") && text.ends_with("unset for all of them"),
                "{text}"
            );
        }
        assert_eq!(backends("Vulkan, gl", enabled).unwrap(), enabled);
        assert_eq!(backends("metal,vk", enabled).unwrap(), Backends::VULKAN);
    }
}
