//! Generates this crate's code.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    levqor_proto_build::generate(&["levqor.inbound.v1"])
}
