//! The RPCs of billing: one line each, and one file each.

mod get_order;
mod get_stripe_event;
mod ingest_stripe_event;
mod list_orders;
mod list_stripe_events;
mod purge_stripe_event_bodies;
mod release_order;
mod replay_stripe_event;

use std::sync::Arc;

use levqor_proto_billing::v1::{self as wire, billing_service_server::BillingService};
use levqor_runtime::rpcs;

use crate::Billing;

pub(crate) use ingest_stripe_event::ingest_stripe_event;

/// The tonic adapter.
pub(crate) struct Rpc(pub(crate) Arc<Billing>);

rpcs! {
    impl BillingService for Rpc {
        ingest_stripe_event(wire::IngestStripeEventRequest) -> wire::IngestStripeEventResponse;
        get_order(wire::GetOrderRequest) -> wire::GetOrderResponse;
        list_orders(wire::ListOrdersRequest) -> wire::ListOrdersResponse;
        release_order(wire::ReleaseOrderRequest) -> wire::ReleaseOrderResponse;
        get_stripe_event(wire::GetStripeEventRequest) -> wire::GetStripeEventResponse;
        list_stripe_events(wire::ListStripeEventsRequest) -> wire::ListStripeEventsResponse;
        replay_stripe_event(wire::ReplayStripeEventRequest) -> wire::ReplayStripeEventResponse;
        purge_stripe_event_bodies(wire::PurgeStripeEventBodiesRequest) -> wire::PurgeStripeEventBodiesResponse;
    }
}
