//! What responses say besides their bytes: the extension of a `google.api.HttpBody` that the gateway reads.

use levqor_proto_base::r#type::v1::HttpBodyHead;
use prost::{Message, Name};
use prost_types::Any;

/// The bytes are a file of this name.
pub(crate) fn file(name: &str) -> Any {
    extension(&HttpBodyHead { status: 0, file_name: name.to_owned() })
}

/// The page names the faults in its form. The status is one from 400 to 499.
pub(crate) fn refusal(status: u16) -> Any {
    extension(&HttpBodyHead { status: status.into(), file_name: String::new() })
}

fn extension(head: &HttpBodyHead) -> Any {
    Any { type_url: HttpBodyHead::type_url(), value: head.encode_to_vec() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_extension_is_read_as_it_was_made() {
        let read = |any: Any| any.to_msg::<HttpBodyHead>().expect("a head");
        assert_eq!(read(file("a.zip")).file_name, "a.zip");
        assert_eq!(read(refusal(403)).status, 403);
    }
}
