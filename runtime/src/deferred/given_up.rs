//! What a service is told of a deferred call that is given up.

use futures_util::future::BoxFuture;
use prost::{Message, Name};

use crate::{
    access::methods,
    db::{DbError, Tx},
};

/// A deferred call that is given up: it is kept as dead, and made again only when somebody replays it.
#[derive(Debug, Clone, Copy)]
pub struct GivenUp<'a> {
    pub(super) rpc: &'a str,
    pub(super) request: &'a [u8],
    /// How often it was tried.
    pub attempts: i32,
    /// What came of the last try: code and reason, nothing personal.
    pub failure: &'a str,
}

impl GivenUp<'_> {
    /// Its request, if the call was to the RPC that takes such requests.
    #[must_use]
    pub fn request<R: Message + Name + Default>(&self) -> Option<R> {
        let rpc = &methods().by_request(&R::full_name())?.rpc;
        if rpc == self.rpc { R::decode(self.request).ok() } else { None }
    }
}

/// What follows for a service's own tables from a call that is given up, in the transaction that gives it up.
pub(crate) type OnGivenUp = Box<
    dyn for<'call> Fn(&'call mut Tx, &'call GivenUp<'call>) -> BoxFuture<'call, Result<(), DbError>>
        + Send
        + Sync,
>;
