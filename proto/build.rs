//! Compiles the protos without protoc, refuses those that break the contract's rules, and generates the code.

use std::{env, fs, path::PathBuf};

#[path = "build/contract.rs"]
mod contract;

const FILES: [&str; 10] = [
    "google/api/annotations.proto",
    "google/api/httpbody.proto",
    "levqor/options/v1/options.proto",
    "levqor/type/v1/money.proto",
    "levqor/mail/v1/options.proto",
    "levqor/runtime/v1/work_service.proto",
    "levqor/runtime/v1/status_service.proto",
    "levqor/runtime/v1/tunnel_service.proto",
    "levqor/billing/v1/billing_service.proto",
    "levqor/notifications/v1/notifications_service.proto",
];

#[expect(clippy::disallowed_methods, reason = "cargo passes OUT_DIR to build scripts this way")]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    for path in ["levqor", "google", "build", "build.rs"] {
        println!("cargo:rerun-if-changed={path}");
    }
    let out = PathBuf::from(env::var("OUT_DIR")?);
    let mut compiler = protox::Compiler::new(["."])?;
    compiler.include_imports(true).include_source_info(true).open_files(FILES)?;

    // These bytes keep the custom options; prost_types::FileDescriptorSet would drop them.
    let descriptors = compiler.encode_file_descriptor_set();
    fs::write(out.join("descriptors.bin"), &descriptors)?;

    let pool = prost_reflect::DescriptorPool::decode(descriptors.as_slice())?;
    let violations = contract::violations(&pool);
    if !violations.is_empty() {
        return Err(format!("the protos break the contract's rules:\n  {}", violations.join("\n  ")).into());
    }

    let mut config = prost_build::Config::new();
    config.enable_type_names();
    // Webhook bodies pass through without being copied, and what is in a tunnel does.
    config.bytes([
        ".levqor.billing.v1.IngestStripeEventRequest.body",
        ".levqor.notifications.v1.IngestResendEventRequest.body",
        ".levqor.runtime.v1.Metadata.name",
        ".levqor.runtime.v1.Metadata.value",
        ".levqor.runtime.v1.TunnelRequest.message",
        ".levqor.runtime.v1.TunnelResponse.message",
        ".levqor.runtime.v1.TunnelFailure.details",
    ]);
    // A message that holds personal data shows its name only when it is printed: no way into a log by accident.
    let personal = contract::personal_messages(&pool);
    config.skip_debug(personal.iter().map(|name| format!(".{name}")));
    // That covers the enums nested in such a message too; they are harmless, and prost needs their Debug.
    for nested in pool.all_enums() {
        if nested.parent_message().is_some_and(|parent| personal.contains(parent.full_name())) {
            config.enum_attribute(format!(".{}", nested.full_name()), "#[derive(Debug)]");
        }
    }
    fs::write(out.join("debug.rs"), opaque_debug(&personal)?)?;
    tonic_prost_build::configure()
        .emit_rerun_if_changed(false)
        .include_file("mod.rs")
        .compile_fds_with_config(compiler.file_descriptor_set(), config)?;
    Ok(())
}

/// `Debug` implementations that show a message's name and nothing of its content.
fn opaque_debug(personal: &std::collections::BTreeSet<String>) -> Result<String, String> {
    let mut code = String::new();
    for full_name in personal {
        let mut path: Vec<_> = full_name.split('.').collect();
        let name = path.pop().unwrap_or_default();
        if path.iter().any(|part| part.starts_with(char::is_uppercase)) {
            return Err(format!("{full_name}: a message with personal data must not be nested in another"));
        }
        let path = path.iter().map(|part| format!("r#{part}")).collect::<Vec<_>>().join("::");
        code.push_str(&format!(
            "impl std::fmt::Debug for {path}::{name} {{ \
                fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {{ f.write_str(\"{name}(…)\") }} \
            }}\n"
        ));
    }
    Ok(code)
}
