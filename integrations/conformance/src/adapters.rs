//! Which adapters there are, and which must be.

use bmru::wgpu;

/// All adapters of all backends, each once, in a stable order.
#[cfg(not(target_family = "wasm"))]
#[must_use]
pub fn all() -> Vec<wgpu::Adapter> {
    let instance = wgpu::Instance::new(wgpu::InstanceDescriptor::new_without_display_handle_from_env());
    let mut adapters = pollster::block_on(instance.enumerate_adapters(wgpu::Backends::all()));
    adapters.retain(|adapter| adapter.get_info().backend != wgpu::Backend::Noop);
    adapters.sort_by_key(|adapter| (adapter.get_info().backend as u8, name(&adapter.get_info())));
    adapters
}

/// `name@backend` in lower case, the name without what stands in brackets: `llvmpipe@vulkan`.
#[must_use]
pub fn name(info: &wgpu::AdapterInfo) -> String {
    let plain = info.name.split('(').next().unwrap_or_default().trim();
    format!("{plain}@{:?}", info.backend).to_lowercase().replace(' ', "-")
}

/// The adapters that `required` names and `present` lacks. `required` is a list with commas; each item is `name@backend`,
/// of which the name may be a part.
#[must_use]
pub fn missing(required: &str, present: &[String]) -> Vec<String> {
    let lacks = |item: &&str| {
        let (wanted, backend) = item.split_once('@').unwrap_or((item, ""));
        !present.iter().any(|name| name.contains(wanted) && name.ends_with(backend))
    };
    required.split(',').map(str::trim).filter(|item| !item.is_empty()).filter(lacks).map(str::to_owned).collect()
}
