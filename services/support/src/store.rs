//! The SQL of support, one file per table.

pub(crate) mod article_versions;
pub(crate) mod articles;
pub(crate) mod canned_replies;
pub(crate) mod complaints;
pub(crate) mod component_days;
pub(crate) mod conversations;
pub(crate) mod inbound_mails;
pub(crate) mod incidents;
pub(crate) mod leads;
pub(crate) mod model_calls;
pub(crate) mod passages;
pub(crate) mod status_subscribers;
pub(crate) mod surveys;
pub(crate) mod ticket_files;
pub(crate) mod ticket_messages;
pub(crate) mod tickets;
pub(crate) mod turns;
pub(crate) mod words;
