//! A dead deferred call, for its service.

use futures_util::future::BoxFuture;
use prost::{Message, Name};

use crate::{
    access::methods,
    db::{DbError, Tx},
};

/// A dead deferred call. It is stored. It is made again only after a replay.
#[derive(Debug, Clone, Copy)]
pub struct GivenUp<'a> {
    pub(super) rpc: &'a str,
    pub(super) request: &'a [u8],
    /// The number of attempts.
    pub attempts: i32,
    /// The result of the last attempt: code and reason, without personal data.
    pub failure: &'a str,
}

impl GivenUp<'_> {
    /// Its request, if the call was to the RPC that takes this type of request.
    #[must_use]
    pub fn request<R: Message + Name + Default>(&self) -> Option<R> {
        let rpc = &methods().by_request(&R::full_name())?.rpc;
        if rpc == self.rpc { R::decode(self.request).ok() } else { None }
    }
}

/// Updates a service's own tables when a call becomes dead, in the same transaction.
pub(crate) type OnGivenUp = Box<
    dyn for<'call> Fn(&'call mut Tx, &'call GivenUp<'call>) -> BoxFuture<'call, Result<(), DbError>>
        + Send
        + Sync,
>;
