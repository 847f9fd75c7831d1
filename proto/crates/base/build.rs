//! Generates this crate's code.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    levqor_proto_build::generate(&["google.api", "levqor.options.v1", "levqor.type.v1"])
}
