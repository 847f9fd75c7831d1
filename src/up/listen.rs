//! The ports of `levqor up`: one for each service, bound before anything else is opened.

use std::{collections::BTreeMap, net::SocketAddr};

use anyhow::Context;
use levqor_runtime::{
    client::{Address, Addresses, PeerAddress},
    config::{Env, Reader},
};
use tokio::net::TcpListener;

use crate::{mesh, services};

/// The listen address of each service, by name.
pub(super) type Listen = BTreeMap<&'static str, SocketAddr>;

/// Reads the listen addresses. In `levqor up` the address setting of a service is also its listen address, so it must be one
/// socket address. The reader has already reported text that is not an address.
pub(super) fn listen(env: &Env, reader: &mut Reader<'_>) -> Option<Listen> {
    let mut listen = Some(Listen::new());
    for setting in Addresses::settings(levqor_gateway::methods().services()) {
        let is_ours = |service: &&str| mesh::address_setting(service) == setting.name;
        let Some(name) = services::ALL.iter().map(|service| service.name()).find(is_ours) else { continue };
        let address = env.get(&setting.name).and_then(|text| text.parse::<PeerAddress>().ok());
        let address = match address.as_ref().map(|list| list.0.as_slice()) {
            Some([Address::Fixed(address)]) => Some(*address),
            Some(_) => {
                let expected = "expected one address and port, such as 127.0.0.1:50051: `levqor up` listens there itself";
                reader.problem(&setting, expected);
                None
            }
            None => None,
        };
        listen = listen.zip(address).map(|(mut listen, address)| {
            listen.insert(name, address);
            listen
        });
    }
    listen
}

/// The bound ports of the services.
pub(super) struct Ports {
    listeners: BTreeMap<&'static str, TcpListener>,
    addresses: BTreeMap<&'static str, SocketAddr>,
}

impl Ports {
    /// Binds every port.
    pub(super) async fn bind(listen: &Listen) -> anyhow::Result<Self> {
        let mut ports = Self { listeners: BTreeMap::new(), addresses: BTreeMap::new() };
        for (service, wanted) in listen {
            let setting = mesh::address_setting(service);
            let busy = || format!("{setting}: cannot listen on {wanted}; is another program using the port?");
            let listener = TcpListener::bind(wanted).await.with_context(busy)?;
            ports.addresses.insert(service, listener.local_addr().with_context(busy)?);
            ports.listeners.insert(service, listener);
        }
        Ok(ports)
    }

    /// Takes the port of a service. It can be taken once.
    pub(super) fn take(&mut self, service: &str) -> anyhow::Result<TcpListener> {
        self.listeners.remove(service).with_context(|| format!("{service} was started twice"))
    }

    /// The addresses that the services use to call each other.
    pub(super) fn peers(&self) -> Addresses {
        let all = self.addresses.iter().map(|(name, addr)| ((*name).to_owned(), vec![Address::Fixed(*addr)]));
        Addresses(all.collect())
    }

    /// The same addresses as text, for people.
    pub(super) fn shown(&self) -> BTreeMap<String, String> {
        self.addresses.iter().map(|(name, addr)| ((*name).to_owned(), addr.to_string())).collect()
    }
}
