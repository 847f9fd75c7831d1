//! Compiles the protos of one crate without protoc, refuses those that break the contract's rules, and generates the code.

pub mod contract;

use std::{
    collections::BTreeSet,
    env,
    error::Error,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

use prost_reflect::DescriptorPool;

/// The packages of `levqor-proto-base`, which every other package may import.
const BASE: &[&str] = &["google.api", "levqor.options.v1", "levqor.type.v1"];

/// Generates the code of these packages, such as `levqor.billing.v1`, from all their proto files. Build scripts call it. It
/// writes `OUT_DIR/package.rs`, which the crate's `lib.rs` includes.
#[expect(clippy::print_stdout, reason = "cargo reads a build script's output")]
#[expect(clippy::disallowed_methods, reason = "cargo passes folders to build scripts this way")]
pub fn generate(packages: &[&str]) -> Result<(), Box<dyn Error>> {
    let out = PathBuf::from(env::var("OUT_DIR")?);
    // The crate under construction is `proto/crates/<name>`. Read at run time: a build folder may be shared by two clones.
    let root = Path::new(&env::var("CARGO_MANIFEST_DIR")?).join("../..").canonicalize()?;
    let mut compiler = protox::Compiler::new([&root])?;
    compiler.include_imports(true).include_source_info(true);
    for package in packages {
        let folder = root.join(package.replace('.', "/"));
        println!("cargo:rerun-if-changed={}", folder.display());
        compiler.open_files(protos(&folder)?)?;
    }
    for import in compiler.files().filter_map(|file| file.path()) {
        println!("cargo:rerun-if-changed={}", import.display());
    }

    // These bytes keep the custom options; prost_types::FileDescriptorSet would drop them.
    let descriptors = compiler.encode_file_descriptor_set();
    // Every process keeps the descriptors in memory: they go without the comments, which are most of their size.
    fs::write(out.join("descriptors.bin"), compiler.include_source_info(false).encode_file_descriptor_set())?;
    let pool = DescriptorPool::decode(descriptors.as_slice())?;
    let violations = contract::violations(&pool);
    if !violations.is_empty() {
        return Err(format!("the protos break the contract's rules:\n  {}", violations.join("\n  ")).into());
    }

    let is_own = |package: &str| packages.contains(&package);
    let mut config = prost_build::Config::new();
    config.enable_type_names();
    let all: BTreeSet<_> = pool.files().map(|file| file.package_name().to_owned()).collect();
    for import in all.iter().filter(|package| !is_own(package)) {
        if let Some(path) = path_of(import) {
            config.extern_path(format!(".{import}"), path);
        }
    }
    // With `Bytes`, the bodies of webhooks and the content of tunnels are not copied.
    config.bytes(packages.iter().filter(|it| it.starts_with("levqor.")).map(|it| format!(".{it}")));
    // The Debug of a message with personal data shows only its name, so that the data cannot get into a log by accident.
    let personal: BTreeSet<_> = contract::personal_messages(&pool)
        .into_iter()
        .filter(|name| pool.get_message_by_name(name).is_some_and(|it| is_own(it.package_name())))
        .collect();
    config.skip_debug(personal.iter().map(|name| format!(".{name}")));
    // The line above also removes the Debug of enums nested in such a message. They are harmless, and prost needs it.
    for nested in pool.all_enums() {
        if nested.parent_message().is_some_and(|parent| personal.contains(parent.full_name())) {
            config.enum_attribute(format!(".{}", nested.full_name()), "#[derive(Debug)]");
        }
    }
    tonic_prost_build::configure()
        .emit_rerun_if_changed(false)
        // So that a test's service implements only the RPCs that it needs. The style test checks that real services implement
        // all.
        .generate_default_stubs(true)
        .include_file("mod.rs")
        .compile_fds_with_config(compiler.file_descriptor_set(), config)?;
    fs::write(out.join("package.rs"), package(packages, &opaque_debug(&personal)?)?)?;
    Ok(())
}

/// The paths of all proto files in a folder, sorted.
fn protos(folder: &Path) -> Result<Vec<PathBuf>, Box<dyn Error>> {
    let mut protos = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "proto") {
            protos.push(path);
        }
    }
    protos.sort();
    Ok(protos)
}

/// The path of the Rust types of an imported package. None for packages whose types prost has itself.
fn path_of(package: &str) -> Option<String> {
    if package == "google.protobuf" {
        return None;
    }
    let path = package.trim_start_matches("levqor.").replace('.', "::");
    Some(if BASE.contains(&package) {
        format!("::levqor_proto_base::{path}")
    } else {
        format!("::levqor_proto_{path}")
    })
}

/// The module of a package, `levqor::r#type::v1`.
fn module(package: &str) -> String {
    package.replace(".type.", ".r#type.").replace('.', "::")
}

/// The text of the crate: the generated code, and its exports.
fn package(packages: &[&str], debug: &str) -> Result<String, std::fmt::Error> {
    let mut code = String::from(
        "#[allow(missing_docs, clippy::all, clippy::pedantic)] // Generated; its documentation is the protos'.\n\
         mod generated { include!(concat!(env!(\"OUT_DIR\"), \"/mod.rs\"));\n",
    );
    code.push_str(debug);
    code.push_str("}\n");
    if let [package] = packages {
        writeln!(code, "pub use generated::{};", module(package))?;
    } else {
        code.push_str("pub use generated::google;\npub use generated::levqor::{options, r#type};\n");
    }
    code.push_str(
        "/// The protos of this crate and their imports with all options, encoded; decode it with \
         `prost_reflect::DescriptorPool`.\n\
         pub const FILE_DESCRIPTOR_SET: &[u8] = include_bytes!(concat!(env!(\"OUT_DIR\"), \"/descriptors.bin\"));\n",
    );
    Ok(code)
}

/// `Debug` implementations that show a message's name and nothing of its content.
fn opaque_debug(personal: &BTreeSet<String>) -> Result<String, Box<dyn Error>> {
    let mut code = String::new();
    for full_name in personal {
        let (path, name) = full_name.rsplit_once('.').unwrap_or_default();
        if path.split('.').any(|part| part.starts_with(char::is_uppercase)) {
            return Err(
                format!("{full_name}: a message with personal data must not be nested in another").into()
            );
        }
        let path = module(path);
        writeln!(
            code,
            "impl std::fmt::Debug for {path}::{name} {{ \
                fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {{ f.write_str(\"{name}(…)\") }} \
            }}"
        )?;
    }
    Ok(code)
}
