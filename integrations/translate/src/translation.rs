//! WGSL in, four languages out, one of them twice, with the options that wgpu's backends set.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use naga::back::hlsl::ShaderModel;
use naga::back::{glsl, hlsl, msl, spv};
use naga::proc::{BoundsCheckPolicies, BoundsCheckPolicy};
use naga::valid::{Capabilities, ModuleInfo, ValidationFlags, Validator};
use naga::{Module, ShaderStage};

use crate::{Failure, files};

const ENTRY_POINT: &str = "main";
const STAGE: ShaderStage = ShaderStage::Compute;

/// What wgpu sets where the hardware does not check bounds by itself: the longest text.
const POLICIES: BoundsCheckPolicies = BoundsCheckPolicies {
    index: BoundsCheckPolicy::Restrict,
    buffer: BoundsCheckPolicy::Restrict,
    image_load: BoundsCheckPolicy::Restrict,
    binding_array: BoundsCheckPolicy::Unchecked,
};

/// Translates all files of a directory.
pub fn all(wgsl: &Path, out: &Path) -> Result<(), Failure> {
    for language in ["spv", "hlsl_6_5", "hlsl_5_1", "glsl", "msl"] {
        let directory = out.join(language);
        if directory.exists() {
            fs::remove_dir_all(&directory)?;
        }
        fs::create_dir_all(directory)?;
    }
    let (files, failures, next) = (files(wgsl, "wgsl")?, AtomicUsize::new(0), AtomicUsize::new(0));
    let work = || {
        while let Some(path) = files.get(next.fetch_add(1, Relaxed)) {
            if let Err(error) = translate(path, out) {
                failures.fetch_add(1, Relaxed);
                println!("naga: {}: {}", path.display(), error.to_string().trim_end());
            }
        }
    };
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| (0..cores).for_each(|_| drop(scope.spawn(work))));
    println!("naga\t{}\t{}", files.len(), failures.into_inner());
    Ok(())
}

fn translate(path: &Path, out: &Path) -> Result<(), Failure> {
    let text = fs::read_to_string(path)?;
    let module = naga::front::wgsl::parse_str(&text).map_err(|error| error.emit_to_string(&text))?;
    let mut validator = Validator::new(ValidationFlags::all(), Capabilities::empty());
    let info = validator.validate(&module).map_err(|error| error.emit_to_string(&text))?;

    let name = path.file_stem().ok_or("a file without a name")?;
    let place = |language: &str, extension: &str| out.join(language).join(name).with_extension(extension);
    let words: Vec<u8> = to_spv(&module, &info)?.into_iter().flat_map(u32::to_le_bytes).collect();
    fs::write(place("spv", "spv"), words)?;
    // For DXC, and for FXC, which has no newer one.
    fs::write(place("hlsl_6_5", "hlsl"), to_hlsl(&module, &info, ShaderModel::V6_5)?)?;
    fs::write(place("hlsl_5_1", "hlsl"), to_hlsl(&module, &info, ShaderModel::V5_1)?)?;
    fs::write(place("glsl", "comp"), to_glsl(&module, &info)?)?;
    fs::write(place("msl", "metal"), to_msl(&module, &info)?)?;
    Ok(())
}

fn to_spv(module: &Module, info: &ModuleInfo) -> Result<Vec<u32>, Failure> {
    let options = spv::Options {
        lang_version: (1, 3),
        flags: spv::WriterFlags::empty(),
        bounds_check_policies: POLICIES,
        ..spv::Options::default()
    };
    let pipeline = spv::PipelineOptions { shader_stage: STAGE, entry_point: ENTRY_POINT.into() };
    Ok(spv::write_vec(module, info, &options, Some(&pipeline))?)
}

fn to_hlsl(module: &Module, info: &ModuleInfo, shader_model: ShaderModel) -> Result<String, Failure> {
    let options = hlsl::Options { shader_model, ..hlsl::Options::default() };
    let pipeline = hlsl::PipelineOptions { entry_point: Some((STAGE, ENTRY_POINT.into())) };
    let mut text = String::new();
    let reflected = hlsl::Writer::new(&mut text, &options, &pipeline).write(module, info, None)?;
    match &reflected.entry_point_names[..] {
        [Ok(name)] if name == ENTRY_POINT => Ok(text),
        names => Err(format!("entry points {names:?}, expected {ENTRY_POINT}").into()),
    }
}

fn to_glsl(module: &Module, info: &ModuleInfo) -> Result<String, Failure> {
    let bindings = module.global_variables.iter().filter_map(|(_, variable)| variable.binding);
    let options = glsl::Options {
        version: glsl::Version::Embedded { version: 320, is_webgl: false },
        binding_map: bindings.map(|binding| Ok((binding, u8::try_from(binding.binding)?))).collect::<Result<_, Failure>>()?,
        ..glsl::Options::default()
    };
    let pipeline = glsl::PipelineOptions { shader_stage: STAGE, entry_point: ENTRY_POINT.into(), multiview: None };
    let mut text = String::new();
    glsl::Writer::new(&mut text, module, info, &options, &pipeline, POLICIES)?.write()?;
    Ok(text)
}

fn to_msl(module: &Module, info: &ModuleInfo) -> Result<String, Failure> {
    let options = msl::Options { lang_version: (2, 4), bounds_check_policies: POLICIES, ..msl::Options::default() };
    let pipeline = msl::PipelineOptions { entry_point: Some((STAGE, ENTRY_POINT.into())), ..msl::PipelineOptions::default() };
    let (text, translated) = msl::write_string(module, info, &options, &pipeline)?;
    translated.entry_point_names.into_iter().try_for_each(|name| name.map(drop))?;
    Ok(text)
}
