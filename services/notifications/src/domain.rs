//! The rules of messages, pure: no clock, no database, no network.

pub mod address;
pub mod delivery;
mod field;
pub mod link;
pub mod message;
pub mod money;
pub mod person_name;
pub mod provider_event;
pub mod reference;
pub mod report;
pub mod resend_event;
pub mod sender;
pub mod site;
pub mod template;
pub mod text;
