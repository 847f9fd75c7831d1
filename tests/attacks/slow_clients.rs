//! Slow clients are disconnected on the internal ports too.

use std::time::Duration;

use super::{Target, attack::Connection};

/// How long a connection with half a head may stay: its head has 10 seconds. A connection without one stays two minutes.
const LONGEST: Duration = Duration::from_mins(1);

#[tokio::test(flavor = "multi_thread")]
async fn half_a_head_ends_the_connection_on_every_port() {
    let target = Target::start().await;
    let closed = [target.gateway, target.billing, target.metrics].map(|port| async move {
        let half = b"GET /metrics HTTP/1.1\r\nho";
        let mut connection = Connection::open(2, port, half).await.expect("a connection");
        connection.is_closed_within(LONGEST).await
    });
    assert_eq!(futures_util::future::join_all(closed).await, [true; 3]);
}
