//! What people do with the whole mesh, from one end to the other.

mod access;
mod audited_reads;
mod bounced_mail;
mod capabilities;
mod columns;
mod deferred_calls;
mod doubtful_mail;
mod nextjs;
mod ownership;
mod page_tokens;
mod paid_order;
mod rpcs;
mod stripe_events;
mod webhooks;
