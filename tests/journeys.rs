//! What people do with the whole mesh, from one end to the other.

mod access;
mod bounced_mail;
mod columns;
mod deferred_calls;
mod doubtful_mail;
mod nextjs;
mod ownership;
mod paid_order;
mod stripe_events;
mod webhooks;
