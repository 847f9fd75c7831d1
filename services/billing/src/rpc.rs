//! What billing can do: one line per RPC, each with a file of its own.

mod get_order;
mod get_stripe_event;
mod ingest_stripe_event;
mod list_orders;
mod list_stripe_events;
mod purge_stripe_event_bodies;
mod release_order;
mod replay_stripe_event;

use std::sync::Arc;

use levqor_proto_billing::v1::{
    GetOrderRequest, GetOrderResponse, GetStripeEventRequest, GetStripeEventResponse,
    IngestStripeEventRequest, IngestStripeEventResponse, ListOrdersRequest, ListOrdersResponse,
    ListStripeEventsRequest, ListStripeEventsResponse, PurgeStripeEventBodiesRequest,
    PurgeStripeEventBodiesResponse, ReleaseOrderRequest, ReleaseOrderResponse, ReplayStripeEventRequest,
    ReplayStripeEventResponse, billing_service_server::BillingService,
};
use levqor_runtime::rpc::call;
use tonic::{Request, Response, Status, async_trait};

use crate::Billing;

pub(crate) use ingest_stripe_event::ingest_stripe_event;

/// The tonic adapter.
pub(crate) struct Rpc(pub(crate) Arc<Billing>);

type Answer<T> = Result<Response<T>, Status>;

#[async_trait]
impl BillingService for Rpc {
    async fn ingest_stripe_event(
        &self,
        r: Request<IngestStripeEventRequest>,
    ) -> Answer<IngestStripeEventResponse> {
        call(&self.0, r, ingest_stripe_event::ingest_stripe_event).await
    }

    async fn get_order(&self, r: Request<GetOrderRequest>) -> Answer<GetOrderResponse> {
        call(&self.0, r, get_order::get_order).await
    }

    async fn list_orders(&self, r: Request<ListOrdersRequest>) -> Answer<ListOrdersResponse> {
        call(&self.0, r, list_orders::list_orders).await
    }

    async fn release_order(&self, r: Request<ReleaseOrderRequest>) -> Answer<ReleaseOrderResponse> {
        call(&self.0, r, release_order::release_order).await
    }

    async fn get_stripe_event(&self, r: Request<GetStripeEventRequest>) -> Answer<GetStripeEventResponse> {
        call(&self.0, r, get_stripe_event::get_stripe_event).await
    }

    async fn list_stripe_events(
        &self,
        r: Request<ListStripeEventsRequest>,
    ) -> Answer<ListStripeEventsResponse> {
        call(&self.0, r, list_stripe_events::list_stripe_events).await
    }

    async fn replay_stripe_event(
        &self,
        r: Request<ReplayStripeEventRequest>,
    ) -> Answer<ReplayStripeEventResponse> {
        call(&self.0, r, replay_stripe_event::replay_stripe_event).await
    }

    async fn purge_stripe_event_bodies(
        &self,
        r: Request<PurgeStripeEventBodiesRequest>,
    ) -> Answer<PurgeStripeEventBodiesResponse> {
        call(&self.0, r, purge_stripe_event_bodies::purge_stripe_event_bodies).await
    }
}
