//! The device that the browser gives.

use crate::fault::Outcome;
use js_sys::{Promise, Reflect};
use serde::Deserialize;
use serde_json::{Value, json};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::{JsFuture, future_to_promise};
use wgpo::gpu::{Gpu, GpuOptions, ProductPath};

/// What a page asks of a device.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Options {
    /// Which kernels compute networks.
    kernels: ProductPath,
    /// Whether the device is to have a clock for passes, where it can.
    timestamps: bool,
}

/// A WebGPU device with its pipelines. WebGPU's default limits are all that is asked for.
#[wasm_bindgen]
pub struct Device {
    gpu: Gpu,
    /// What the browser says of the adapter beyond what wgpu passes on.
    info: Value,
}

impl Device {
    fn text(&self, key: &str) -> &str {
        self.info.get(key).and_then(Value::as_str).unwrap_or_default()
    }

    /// The device itself.
    pub fn gpu(&self) -> &Gpu {
        &self.gpu
    }

    /// What the browser calls the adapter, or what it tells of it.
    pub fn name(&self) -> String {
        let parts = [self.text("vendor"), self.text("architecture")];
        let parts = parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ");
        match (self.text("description"), parts.as_str()) {
            ("", "") => "unnamed adapter".to_owned(),
            ("", _) => parts,
            (description, _) => description.to_owned(),
        }
    }
}

#[wasm_bindgen]
impl Device {
    /// Asks the browser for an adapter and a device. `options` is JSON: `kernels` (`auto`, `plain`, `direct`, `staged` or `fused`) and
    /// `timestamps` (asks for the device's clock where it has one).
    ///
    /// # Errors
    /// `NoAdapter` where WebGPU is missing or finds nothing, `NoDevice` if the browser refuses one.
    pub async fn request(options: String) -> Outcome<Device> {
        let options: Options = if options.is_empty() { Options::default() } else { serde_json::from_str(&options)? };
        let info = adapter_info().await;
        let asked = GpuOptions {
            allow_software: true,
            products: options.kernels,
            timestamps: options.timestamps,
            ..GpuOptions::default()
        };
        let gpu = Gpu::request(&asked).await?;
        Ok(Self { gpu, info })
    }

    /// Name and limits, as JSON: `name`, `vendor`, `architecture`, `device`, `description` (empty where the browser keeps them to itself),
    /// `device_type` (`Cpu` for a software adapter), `kernels`, `timestamps`, `limits`.
    #[wasm_bindgen(js_name = infoJson)]
    pub fn info_json(&self) -> String {
        let (own, limits) = (self.gpu.adapter_info(), self.gpu.limits());
        json!({
            "name": self.name(),
            "vendor": self.text("vendor"),
            "architecture": self.text("architecture"),
            "device": self.text("device"),
            "description": self.text("description"),
            "device_type": format!("{:?}", own.device_type),
            "kernels": self.gpu.products().name(),
            "timestamps": self.gpu.has_timestamps(),
            "limits": {
                "max_storage_buffer_binding_size": limits.max_storage_buffer_binding_size,
                "max_buffer_size": limits.max_buffer_size,
                "max_storage_buffers_per_shader_stage": limits.max_storage_buffers_per_shader_stage,
                "max_compute_invocations_per_workgroup": limits.max_compute_invocations_per_workgroup,
                "max_compute_workgroup_storage_size": limits.max_compute_workgroup_storage_size,
                "max_compute_workgroups_per_dimension": limits.max_compute_workgroups_per_dimension,
            },
        })
        .to_string()
    }

    /// What was done so far, as JSON: `dispatches`, `submissions`, `readbacks`, `created`.
    #[wasm_bindgen(js_name = countsJson)]
    pub fn counts_json(&self) -> String {
        let counts = self.gpu.counts();
        json!({
            "dispatches": counts.dispatches,
            "submissions": counts.submissions,
            "readbacks": counts.readbacks,
            "created": counts.created,
        })
        .to_string()
    }

    /// A promise of the sentence that says why the device was lost; open as long as it is not.
    pub fn lost(&self) -> Promise {
        let gpu = self.gpu.clone();
        future_to_promise(async move { Ok(JsValue::from(format!("device lost: {}", gpu.lost().await))) })
    }

    /// Gives the device up, as a driver's reset would: everything on it is lost.
    pub fn destroy(&self) {
        self.gpu.device().destroy();
    }
}

/// `info` of the adapter that the browser would give, which wgpu does not pass on whole.
async fn adapter_info() -> Value {
    let get = |from: &JsValue, key: &str| Reflect::get(from, &JsValue::from(key)).unwrap_or(JsValue::UNDEFINED);
    let gpu = get(&get(&js_sys::global(), "navigator"), "gpu");
    let Ok(ask) = get(&gpu, "requestAdapter").dyn_into::<js_sys::Function>() else { return Value::Null };
    let Ok(promise) = ask.call0(&gpu).map(Promise::from) else { return Value::Null };
    let Ok(adapter) = JsFuture::from(promise).await else { return Value::Null };
    let info = get(&adapter, "info");
    let keys = ["vendor", "architecture", "device", "description"];
    keys.into_iter().map(|key| (key.to_owned(), Value::from(get(&info, key).as_string().unwrap_or_default()))).collect()
}
