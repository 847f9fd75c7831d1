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
const BASE: [&str; 3] = ["google.api", "levqor.options.v1", "levqor.type.v1"];

/// Generates the crate of these packages, `levqor.billing.v1`, out of every proto of theirs. Build scripts call it; the
/// crate's `lib.rs` includes what it writes, `OUT_DIR/package.rs`.
#[expect(clippy::print_stdout, reason = "cargo reads a build script's output")]
#[expect(clippy::disallowed_methods, reason = "cargo passes OUT_DIR to build scripts this way")]
pub fn generate(packages: &[&str]) -> Result<(), Box<dyn Error>> {
    let out = PathBuf::from(env::var("OUT_DIR")?);
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize()?;
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
    fs::write(out.join("descriptors.bin"), &descriptors)?;
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
    // Webhook bodies pass through without being copied, and what is in a tunnel does.
    config.bytes(packages.iter().filter(|it| it.starts_with("levqor.")).map(|it| format!(".{it}")));
    // A message that holds personal data shows its name only when it is printed: no way into a log by accident.
    let personal: BTreeSet<_> = contract::personal_messages(&pool)
        .into_iter()
        .filter(|name| pool.get_message_by_name(name).is_some_and(|it| is_own(it.package_name())))
        .collect();
    config.skip_debug(personal.iter().map(|name| format!(".{name}")));
    // That covers the enums nested in such a message too; they are harmless, and prost needs their Debug.
    for nested in pool.all_enums() {
        if nested.parent_message().is_some_and(|parent| personal.contains(parent.full_name())) {
            config.enum_attribute(format!(".{}", nested.full_name()), "#[derive(Debug)]");
        }
    }
    tonic_prost_build::configure()
        .emit_rerun_if_changed(false)
        .include_file("mod.rs")
        .compile_fds_with_config(compiler.file_descriptor_set(), config)?;
    fs::write(out.join("package.rs"), package(packages, &opaque_debug(&personal)?)?)?;
    Ok(())
}

/// Every proto of a folder, sorted.
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

/// Where the Rust types of an imported package are. None for those that prost brings along.
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

/// The text of the crate: the generated code, and what it exports of it.
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
fn opaque_debug(personal: &BTreeSet<String>) -> Result<String, String> {
    let mut code = String::new();
    for full_name in personal {
        let (path, name) = full_name.rsplit_once('.').unwrap_or_default();
        if path.split('.').any(|part| part.starts_with(char::is_uppercase)) {
            return Err(format!("{full_name}: a message with personal data must not be nested in another"));
        }
        let path = module(path);
        code.push_str(&format!(
            "impl std::fmt::Debug for {path}::{name} {{ \
                fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {{ f.write_str(\"{name}(…)\") }} \
            }}\n"
        ));
    }
    Ok(code)
}
