//! The client's end of tunnels: one stream to each address of a service. If a service does not support tunnels, or does not support them
//! for the RPC, the call is made without a tunnel. So the gateway and the services can be upgraded in any order.

use std::{
    collections::BTreeMap,
    fmt,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use bytes::Bytes;
use levqor_proto_runtime::v1::{Metadata, TunnelFailure, TunnelRequest, tunnel_response::Outcome};
use prost::{Message, Name};
use tokio::time::timeout;
use tonic::{Code, Status};
use tracing::Instrument;

use super::stream::{CallError, Tunnel, lock, stopped};
use crate::{
    access::{self, Method, Repeat},
    client::{Channels, Outgoing, Route, call_raw},
    tasks::Background,
    telemetry,
};

/// Tunnels to a service, one to each of its addresses. Cheap to clone; opened on first use.
#[derive(Clone)]
pub struct Tunnels {
    /// Its channel is for calls without a tunnel.
    route: Route,
    /// By address and generation of the certificates: a tunnel keeps the certificates with which it was opened.
    by_address: Arc<Mutex<BTreeMap<(SocketAddr, u64), Tunnel>>>,
    background: Background,
}

impl fmt::Debug for Tunnels {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Tunnels({})", self.route.addresses.borrow().len())
    }
}

impl Tunnels {
    /// Creates tunnels to a service, run as background tasks. `None` if its address is not set.
    #[must_use]
    pub fn new(channels: &Channels, service: &str, background: &Background) -> Option<Self> {
        let route = channels.route(service)?.clone();
        Some(Self { route, by_address: Arc::default(), background: background.clone() })
    }

    /// Calls the RPC with this request type. The server completes a sent call even if its caller stops waiting.
    pub async fn call<Req, Res>(&self, carried: &Outgoing<'_>, request: &Req) -> Result<Res, Status>
    where
        Req: Message + Name,
        Res: Message + Default,
    {
        let method = access::methods().by_request(&Req::full_name());
        let method =
            method.ok_or_else(|| Status::unimplemented("there is no RPC that takes this request"))?;
        let message = Bytes::from(request.encode_to_vec());
        let begun = Instant::now();
        let mut response = self.call_in_tunnel(method, carried, message.clone()).await;
        if response.as_ref().is_err_and(|status| status.code() == Code::Unimplemented) {
            let left = carried.timeout.saturating_sub(begun.elapsed());
            let request = Outgoing { timeout: left, ..*carried }.request(message);
            let call = call_raw(self.route.peer.clone(), method.path.clone(), request);
            response = within(left, async { call.await.map(tonic::Response::into_inner) }).await;
        }
        Res::decode(response?).map_err(|_| Status::internal("the response cannot be decoded"))
    }

    /// Calls through a tunnel, with a timer and a span.
    async fn call_in_tunnel(
        &self,
        method: &Method,
        carried: &Outgoing<'_>,
        message: Bytes,
    ) -> Result<Bytes, Status> {
        let timer = self.route.peer.begin(method.path.as_str());
        let call = async {
            let response = within(carried.timeout, self.send(method, carried, message)).await;
            if let Some(timer) = timer {
                timer.end(code(&response));
            }
            response
        };
        let Some(span) = telemetry::rpc_client_span(method.path.as_str()) else { return call.await };
        let response = call.instrument(span.clone()).await;
        telemetry::record_called(&span, code(&response));
        response
    }

    /// Sends a call through the least loaded tunnel, or through another one if that tunnel cannot be opened.
    async fn send(&self, method: &Method, carried: &Outgoing<'_>, message: Bytes) -> Result<Bytes, Status> {
        let entry =
            |(name, value): (&'static str, String)| Metadata { name: name.into(), value: value.into() };
        let metadata = carried.metadata().map(entry).collect();
        let call = TunnelRequest { number: 0, rpc: method.rpc.clone(), metadata, message };
        let mut tunnels = self.tunnels().await?;
        loop {
            let best = tunnels.iter().enumerate().min_by_key(|(_, tunnel)| tunnel.load()).map(|(n, _)| n);
            let Some(best) = best else {
                return Err(Status::unavailable("no address of the service answers"));
            };
            match tunnels.swap_remove(best).call(call.clone(), carried).await {
                // The other end may have received the call.
                Err(CallError::NotOpened(_)) if !tunnels.is_empty() && method.repeat != Repeat::Unknown => {}
                Err(CallError::NotOpened(status) | CallError::Broken(status)) => return Err(status),
                Ok(Outcome::Message(message)) => return Ok(message),
                Ok(Outcome::Failure(TunnelFailure { code, message, details })) => {
                    return Err(Status::with_details(Code::from(code), message, details));
                }
                Ok(Outcome::Goodbye(_)) => {
                    return Err(Status::internal("a goodbye is no response to a call"));
                }
            }
        }
    }

    /// The tunnels to the service's current addresses. Waits for the first lookup of a name.
    async fn tunnels(&self) -> Result<Vec<Tunnel>, Status> {
        let mut addresses = self.route.addresses.clone();
        let addresses = addresses.wait_for(|addresses| !addresses.is_empty()).await;
        let addresses = addresses.map_err(|_| stopped())?;
        let mut by_address = lock(&self.by_address);
        let generation = self.route.link.generation();
        by_address.retain(|(address, of), _| addresses.contains(address) && *of == generation);
        for address in addresses.iter() {
            let new = || Tunnel::new(self.route.link.channel(*address), &self.background);
            by_address.entry((*address, generation)).or_insert_with(new);
        }
        Ok(by_address.values().cloned().collect())
    }
}

async fn within<T>(limit: Duration, call: impl Future<Output = Result<T, Status>>) -> Result<T, Status> {
    timeout(limit, call).await.unwrap_or_else(|_| Err(Status::deadline_exceeded("no response in time")))
}

fn code<T>(response: &Result<T, Status>) -> Code {
    response.as_ref().map_or_else(Status::code, |_| Code::Ok)
}
