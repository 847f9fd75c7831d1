//! Webhooks: one intake for every sender that signs with a shared secret. A service adds the form of the headers and the parser of events.

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
