//! A call leaves in one packet: what answers it is not woken for half of it.

use std::{
    collections::HashMap,
    io::{self, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use levqor_proto::notifications::v1::{
    ListMessagesRequest, notifications_service_client::NotificationsServiceClient,
};
use levqor_runtime::{
    client::{Address, Background, Channels},
    testing::{Caller, TestService},
};

use crate::probe::Probe;

/// Stands before an address, and counts what comes from the client at a time. On threads of its own: it reads what the client
/// has sent so far, not what it is about to send.
fn counting(before: SocketAddr) -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    let count = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&count);
    thread::spawn(move || {
        let (mut from_client, _) = listener.accept().expect("a client");
        let mut to_client = from_client.try_clone().expect("the same connection");
        let mut to_server = TcpStream::connect(before).expect("the service");
        let mut from_server = to_server.try_clone().expect("the same connection");
        thread::spawn(move || io::copy(&mut from_server, &mut to_client));
        let mut buffer = vec![0; 64 * 1024];
        while let Ok(length @ 1..) = from_client.read(&mut buffer) {
            counted.fetch_add(1, Ordering::SeqCst);
            to_server.write_all(&buffer[..length]).expect("the service reads");
        }
    });
    (address, count)
}

#[tokio::test]
async fn a_calls_head_and_message_leave_together() {
    const CALLS: usize = 50;
    let service = TestService::<Probe>::start(&[]).await;
    let (address, packets) = counting(service.running.addr);
    let background = Background::default();
    let addresses = HashMap::from([("notifications".to_owned(), vec![Address::Fixed(address)])]);
    let channels = Channels::new(&addresses, &background);
    let mut client = NotificationsServiceClient::new(channels.get("notifications").expect("a channel"));
    let mut call = async || {
        // Longer than what HTTP/2 copies to the head of a call.
        let request = ListMessagesRequest { page_token: "x".repeat(1200), ..Default::default() };
        client.list_messages(Caller::staff().request(request)).await.expect("an answer");
    };
    call().await;
    let before = packets.load(Ordering::SeqCst);
    for _ in 0..CALLS {
        call().await;
    }
    // Acknowledgements of settings, pings and windows are packets of their own.
    let packets = packets.load(Ordering::SeqCst) - before;
    assert!((CALLS..CALLS + CALLS / 4).contains(&packets), "{CALLS} calls left in {packets} packets");
    background.stop();
    service.stop().await;
}
