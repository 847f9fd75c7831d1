//! Webhooks: one intake for every sender that signs with a shared secret. A service adds its vendor's part: the form of the
//! headers, and how to read and store an event.

mod intake;
mod journal;
mod metrics;
mod signature;
mod verifier;

pub use self::metrics::{METRICS, REFUSALS};
pub use self::{
    intake::{Journaled, PROBE, WebhookError, WebhookIntake},
    journal::{Backlog, Bodies, PurgeStatement, purge_bodies},
    signature::{LEAST_KEY_BYTES, SignatureError, SignatureHeaders, Signed, standard_key},
    verifier::Verifier,
};
