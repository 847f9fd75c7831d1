//! The rules of messages, pure: no clock, no database, no network.

pub mod address;
pub mod content;
pub mod delivery;
pub mod message;
pub mod money;
pub mod reference;
pub mod sender;
pub mod site;
pub mod template;
pub mod text;
