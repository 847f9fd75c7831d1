//! If the machine of a service does not answer, calls fail with UNAVAILABLE, which callers handle.

use std::collections::HashMap;

use levqor_proto::notifications::v1::{
    ListMessagesRequest, notifications_service_client::NotificationsServiceClient,
};
use levqor_runtime::{
    client::{Address, Channels},
    tasks::Background,
    testing::Caller,
};
use tokio::{
    net::{TcpSocket, TcpStream},
    task::JoinSet,
};
use tonic::Code;

#[tokio::test]
async fn a_service_that_never_accepts_the_connection_is_unavailable() {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.bind("127.0.0.1:0".parse().expect("an address")).expect("a port");
    let listener = socket.listen(1).expect("it listens");
    let address = listener.local_addr().expect("its address");
    // No process accepts: the kernel completes two connections, and lets the others wait.
    let mut connections = JoinSet::new();
    for _ in 0..4 {
        connections.spawn(TcpStream::connect(address));
    }
    let mut kept = Vec::new();
    while kept.len() < 2 {
        kept.push(connections.join_next().await.expect("one more").expect("no panic").expect("a connection"));
    }
    let background = Background::default();
    let addresses = HashMap::from([("notifications".to_owned(), vec![Address::Fixed(address)])]);
    let channels = Channels::secured(&addresses, &background, None);
    let mut client = NotificationsServiceClient::new(channels.get("notifications").expect("a channel"));
    let answer = client.list_messages(Caller::staff().request(ListMessagesRequest::default())).await;
    assert_eq!(answer.expect_err("no answer").code(), Code::Unavailable);
    background.stop();
}
