//! Files of an order. The chassis knows what may be uploaded, under which name and type (`levqor_runtime::file`).

use chrono::{DateTime, Utc};
use levqor_runtime::typed_id;

use super::{order::OrderId, order_event::Party};

typed_id!(pub(crate) FileId, "a file");

/// The most files of an order.
pub(crate) const MOST_FILES: i64 = 50;
/// The most bytes of a file.
pub(crate) const MOST_BYTES: u64 = 25 << 20;
/// A file of an order.
#[derive(Clone)]
pub(crate) struct OrderFile {
    pub(crate) id: FileId,
    pub(crate) order_id: OrderId,
    pub(crate) uploader: Party,
    pub(crate) name: String,
    pub(crate) content_type: String,
    pub(crate) size_bytes: i64,
    pub(crate) create_time: DateTime<Utc>,
}

/// The place of a file's content in the storage.
pub(crate) fn storage_key(order_id: OrderId, file_id: FileId) -> String {
    format!("orders/{order_id}/{file_id}")
}
