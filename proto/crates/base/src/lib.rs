//! What every proto may import: the packages `google.api`, `levqor.options.v1` and `levqor.type.v1`.

include!(concat!(env!("OUT_DIR"), "/package.rs"));
