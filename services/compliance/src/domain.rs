//! The rules: no database, no clock, no network.

pub(crate) mod archive;
pub(crate) mod asked;
pub(crate) mod audit_chain;
pub(crate) mod breach;
pub(crate) mod code;
pub(crate) mod consent;
pub(crate) mod data_request;
pub(crate) mod declaration;
pub(crate) mod erasure;
pub(crate) mod evidence;
pub(crate) mod export;
pub(crate) mod hold;
pub(crate) mod legal_document;
pub(crate) mod objection;
pub(crate) mod privacy_complaint;
pub(crate) mod record;
pub(crate) mod retention;
pub(crate) mod screen;
pub(crate) mod text;
pub(crate) mod time_limit;
