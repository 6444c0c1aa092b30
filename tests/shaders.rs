//! Every shader without a GPU: composed, validated within WebGPU's defaults, specialised, and compared with its Rust definition.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "helpers of tests fail by panicking")]

use naga::back::pipeline_constants::process_overrides;
use naga::valid::{Capabilities, ModuleInfo, ValidationFlags, Validator};
use naga::{AddressSpace, Module, ScalarKind, StorageAccess, TypeInner};
use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;
use wgpo::gpu::{Access, KernelDef, Variant};
use wgpo::low_level::kernels::per_update::PerUpdate;
use wgpo::low_level::kernels::{ALL, parts, variants};
use wgpo::policy::Activation;

/// WebGPU's default limits.
const STORAGE_BUFFERS: usize = 8;
const WORKGROUP_BYTES: u32 = 16_384;
const INVOCATIONS: u32 = 256;

/// Each kernel, with what it may be composed of.
fn all_variants() -> impl Iterator<Item = (&'static KernelDef, Variant)> {
    ALL.iter().chain(wgpo::bench::KERNELS).flat_map(|def| variants(def).into_iter().map(move |variant| (def, variant)))
}

fn label(def: &KernelDef, variant: &Variant) -> String {
    variant.chosen.iter().fold(def.name.to_owned(), |label, part| format!("{label} with {}", part.name))
}

fn validator() -> Validator {
    Validator::new(ValidationFlags::all(), Capabilities::empty())
}

fn parse(def: &KernelDef, variant: &Variant) -> (Module, ModuleInfo) {
    let source = def.compose(variant);
    let name = label(def, variant);
    let module =
        naga::front::wgsl::parse_str(&source).unwrap_or_else(|e| panic!("{name}: {}", e.emit_to_string(&source)));
    let info = validator().validate(&module).unwrap_or_else(|e| panic!("{name}: {}", e.emit_to_string(&source)));
    (module, info)
}

fn wgsl(module: &Module, inner: &TypeInner) -> String {
    let scalar = |scalar: &naga::Scalar| match (scalar.kind, scalar.width) {
        (ScalarKind::Float, 4) => "f32",
        (ScalarKind::Uint, 4) => "u32",
        other => panic!("unexpected scalar {other:?}"),
    };
    match inner {
        TypeInner::Scalar(s) => scalar(s).to_owned(),
        TypeInner::Vector { size, scalar: s } => format!("vec{}<{}>", *size as u8, scalar(s)),
        TypeInner::Array { base, size: naga::ArraySize::Constant(size), .. } => {
            format!("array<{}, {size}>", wgsl(module, &module.types[*base].inner))
        }
        other => panic!("unexpected type {other:?}"),
    }
}

type Fields = (Vec<(String, String, u32)>, u32);

/// (name, type, offset) of the members of the uniform at `binding`, and its size.
fn uniform(module: &Module, binding: u32, variable: &str) -> Fields {
    let (_, global) = module
        .global_variables
        .iter()
        .find(|(_, global)| global.binding.is_some_and(|place| place.binding == binding))
        .unwrap();
    assert_eq!(global.space, AddressSpace::Uniform, "binding {binding}");
    assert_eq!(global.name.as_deref(), Some(variable));
    let TypeInner::Struct { members, span } = &module.types[global.ty].inner else { panic!("{variable} is no struct") };
    let fields = members
        .iter()
        .map(|m| (m.name.clone().unwrap_or_default(), wgsl(module, &module.types[m.ty].inner), m.offset))
        .collect();
    (fields, *span)
}

#[test]
fn bindings_and_params_are_those_of_the_definition() {
    for (def, variant) in all_variants() {
        let name = label(def, &variant);
        let (module, _) = parse(def, &variant);

        let (fields, size) = uniform(&module, 0, "params");
        let want: Vec<_> = def.params.iter().map(|f| (f.name.to_owned(), f.kind.to_owned(), f.offset as u32)).collect();
        assert_eq!(fields, want, "{name}: Params");
        assert_eq!((size as usize, size % 16), (def.params_size, 0), "{name}: size of Params");

        if def.ring > 0 {
            let (fields, size) = uniform(&module, 1, "schedule");
            let names: Vec<_> = fields.iter().map(|field| field.0.as_str()).collect();
            assert_eq!(names, PerUpdate::FIELDS, "{name}: Schedule");
            // Four settings, then words of counters; without gaps.
            let kind = |i: usize| if i < 4 { "f32" } else { "u32" };
            assert!(
                fields.iter().enumerate().all(|(i, f)| f.1 == kind(i) && f.2 as usize == 4 * i),
                "{name}: {fields:?}"
            );
            assert_eq!((size as usize, def.ring), (size_of::<PerUpdate>(), size_of::<PerUpdate>()));
        }

        let mut buffers = Vec::new();
        for (_, global) in module.global_variables.iter() {
            let AddressSpace::Storage { access } = global.space else { continue };
            let place = global.binding.unwrap();
            assert_eq!(place.group, 0, "{name}");
            let TypeInner::Array { base, size: naga::ArraySize::Dynamic, .. } = module.types[global.ty].inner else {
                panic!("{name}: a storage buffer is a runtime-sized array")
            };
            let access = if access.contains(StorageAccess::STORE) { Access::ReadWrite } else { Access::Read };
            let element = wgsl(&module, &module.types[base].inner);
            buffers.push((place.binding, global.name.clone().unwrap_or_default(), access, element));
        }
        buffers.sort_by_key(|buffer| buffer.0);
        let want: Vec<_> = (def.first_binding()..)
            .zip(def.bindings)
            .map(|(number, b)| (number, b.name.to_owned(), b.access, b.element.to_owned()))
            .collect();
        assert_eq!(buffers, want, "{name}: storage buffers");
        assert!(buffers.len() <= STORAGE_BUFFERS, "{name}: {} storage buffers", buffers.len());
        let bound = module.global_variables.iter().filter(|(_, global)| global.binding.is_some()).count();
        if let Some((word, elements)) = def.table {
            let table = module.global_variables.iter().find(|(_, global)| global.name.as_deref() == Some(word));
            let (_, table) = table.unwrap();
            assert_eq!((table.space, table.binding.unwrap().binding), (AddressSpace::Uniform, def.first_binding() - 1));
            let TypeInner::Array { base, size, .. } = module.types[table.ty].inner else { panic!("{name}: {word}") };
            assert_eq!(wgsl(&module, &module.types[base].inner), "vec4<u32>", "{name}");
            assert_eq!(size, naga::ArraySize::Constant((elements as u32).try_into().unwrap()), "{name}");
        }
        assert_eq!(bound as u32, buffers.len() as u32 + def.first_binding(), "{name}: nothing else is bound");
    }
}

/// What part tile leaves to the pipeline.
const TILE: [&str; 5] = ["COLUMN_LANES", "STAGED", "TILE_VECTORS", "ROWS_WHOLE", "COLUMNS_WHOLE"];

/// The values of the overrides that choose an activation: each code for each of them.
fn specialisations(module: &Module) -> Vec<Vec<(String, f64)>> {
    let names: Vec<_> = module.overrides.iter().filter_map(|(_, o)| o.name.clone()).collect();
    let known = |name: &String| {
        ["WG", "LOOPS", "ACTIVATION", "INPUT_ACTIVATION", "KEEPS_PREACTIVATION"].contains(&name.as_str())
            || TILE.contains(&name.as_str())
            || name.starts_with("HEAD_")
    };
    assert!(names.iter().all(known), "{names:?}");
    let of_head: Vec<_> = names.iter().filter(|name| name.starts_with("HEAD_")).cloned().collect();
    if !of_head.is_empty() {
        // Whole numbers that choose: all at 0, 1 and 2.
        let activation = names.iter().filter(|name| name.ends_with("ACTIVATION"));
        let chosen: Vec<_> = of_head.iter().chain(activation).collect();
        let all = |value: f64| chosen.iter().map(|name| ((*name).clone(), value)).collect();
        return vec![all(0.0), all(1.0), all(2.0)];
    }
    let tiled = names.iter().any(|name| TILE.contains(&name.as_str()));
    let choices: Vec<_> =
        names.into_iter().filter(|name| name != "WG" && name != "LOOPS" && !TILE.contains(&name.as_str())).collect();
    if choices.is_empty() {
        return vec![Vec::new()];
    }
    let all = |code: f64| -> Vec<(String, f64)> { choices.iter().map(|name| (name.clone(), code)).collect() };
    let activations = Activation::ALL.iter().map(|activation| all(f64::from(activation.code())));
    if !tiled {
        return activations.collect();
    }
    // Staged or not, whole or not, square or thin.
    let ways = [
        [8.0, 1.0, 128.0, 0.0, 0.0],
        [8.0, 1.0, 128.0, 1.0, 1.0],
        [8.0, 0.0, 1.0, 0.0, 1.0],
        [1.0, 0.0, 1.0, 1.0, 0.0],
        [64.0, 0.0, 1.0, 0.0, 0.0],
    ];
    let tile = |way: [f64; 5]| TILE.iter().map(|name| (*name).to_owned()).zip(way);
    activations.flat_map(|codes| ways.map(|way| codes.iter().cloned().chain(tile(way)).collect())).collect()
}

#[test]
fn specialised_shaders_are_valid_and_within_webgpu_defaults() {
    for (def, variant) in all_variants() {
        let name = label(def, &variant);
        let (module, info) = parse(def, &variant);
        for constants in specialisations(&module) {
            let constants = constants.into_iter().collect();
            let (special, _) = process_overrides(&module, &info, None, &constants)
                .unwrap_or_else(|error| panic!("{name} with {constants:?}: {error}"));
            let info =
                validator().validate(&special).unwrap_or_else(|error| panic!("{name} with {constants:?}: {error:?}"));

            let [entry] = special.entry_points.as_slice() else { panic!("{name}: one entry point") };
            assert_eq!(entry.name, def.name);
            let invocations = entry.workgroup_size.iter().product::<u32>();
            assert_eq!(invocations, def.invocations, "{name}");
            assert!(invocations <= INVOCATIONS);

            let mut layouter = naga::proc::Layouter::default();
            layouter.update(special.to_ctx()).unwrap();
            let shared = special.global_variables.iter().filter(|(_, global)| global.space == AddressSpace::WorkGroup);
            let bytes: u32 = shared.map(|(_, global)| layouter[global.ty].size).sum();
            assert!(bytes <= WORKGROUP_BYTES, "{name}: {bytes} bytes of workgroup memory");

            let options = naga::back::spv::Options::default();
            let pipeline = naga::back::spv::PipelineOptions {
                shader_stage: naga::ShaderStage::Compute,
                entry_point: def.name.to_owned(),
            };
            let words = naga::back::spv::write_vec(&special, &info, &options, Some(&pipeline));
            assert!(words.unwrap_or_else(|error| panic!("{name}: {error}")).len() > 5, "{name}");
        }
    }
}

#[test]
fn parts_keep_to_their_names() {
    for part in parts::ALL {
        // The parts of heads implement one interface, and so do those of environments; a block's are one kernel's.
        let families = ["head", "env", "block"];
        let family = families.into_iter().find(|family| part.name.starts_with(&format!("{family}_")));
        let stem = family.unwrap_or(part.name);
        for line in part.source.lines() {
            let Some((kind, rest)) = line.split_once(' ') else { continue };
            let kind = kind.split('<').next().unwrap_or_default();
            if !["fn", "const", "struct", "override", "alias", "var"].contains(&kind) {
                continue;
            }
            // Only a head's overrides mean the same in every kernel, and that of part loops.
            let kinds: &[&str] = if ["head", "loops"].contains(&stem) {
                &["fn", "const", "struct", "override"]
            } else {
                &["fn", "const", "struct", "var"]
            };
            assert!(kinds.contains(&kind), "{}: a part holds no {kind}", part.name);
            let name = rest.split(['(', ':', ' ']).next().unwrap_or_default().to_lowercase();
            let own = name == stem || name.starts_with(stem);
            assert!(own, "part {}: \"{name}\" does not begin with \"{stem}\"", part.name);
        }
    }
}

/// The two numbers that a kernel's time is held against.
#[test]
fn headers_say_operations_and_bytes() {
    for (name, source) in ALL.iter().chain(wgpo::bench::KERNELS).map(|def| (def.name, def.source)) {
        let header: Vec<_> = source.lines().take_while(|line| line.starts_with("//")).collect();
        let header = header.join(" ").to_lowercase();
        assert!(
            header.contains("operation") && header.contains("bytes"),
            "{name}: how many operations, how many bytes?"
        );
    }
}

#[test]
fn files_open_with_a_sentence_and_stay_short() {
    let sources = ALL.iter().chain(wgpo::bench::KERNELS).map(|def| (def.name, def.source));
    for (name, source) in sources.chain(parts::ALL.iter().map(|part| (part.name, part.source))) {
        let opening: Vec<_> = source.lines().take_while(|line| line.starts_with("//")).collect();
        let text = opening.join(" ");
        assert!(text.starts_with("// ") && text.contains('.'), "{name}: no opening sentence");
        let lines = source.lines().count();
        // A head is one file, whatever it holds.
        let most = if name.starts_with("head_") { 200 } else { 150 };
        assert!(lines <= most, "{name}: {lines} lines");
        assert!(source.lines().all(|line| line.chars().count() <= 128), "{name}: a line is too long");
    }
    let defined: BTreeSet<_> = parts::ALL.iter().map(|part| part.name).collect();
    for def in ALL {
        assert!(def.parts.iter().all(|part| defined.contains(part.name)), "{}", def.name);
    }
}

/// Browsers that are not Firefox compile WGSL with Tint; where its program is installed, it has to agree.
#[test]
fn tint_accepts_every_kernel() {
    if Command::new("tint").arg("--version").output().is_err() {
        println!("SKIPPED: no program `tint` on the path");
        return;
    }
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("tint");
    std::fs::create_dir_all(&folder).unwrap();
    for (def, variant) in all_variants() {
        let name = label(def, &variant);
        let (input, output) = (folder.join("kernel.wgsl"), folder.join("out.wgsl"));
        std::fs::write(&input, def.compose(&variant)).unwrap();
        let ran = Command::new("tint").arg(&input).args(["--format", "wgsl", "-o"]).arg(&output).output().unwrap();
        let said = String::from_utf8_lossy(&ran.stderr);
        assert!(ran.status.success(), "{name}: {said}");
        assert!(!said.contains("error"), "{name}: {said}");
    }
    std::fs::remove_dir_all(folder).unwrap();
}
