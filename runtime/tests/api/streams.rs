//! Calls whose answer is a stream, and calls whose request is one.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use axum::body::Body;
use bytes::{BufMut, Bytes, BytesMut};
use futures_util::{StreamExt, stream};
use levqor_proto::billing::v1::{GetOrderRequest, Order, ReleaseOrderRequest};
use levqor_runtime::{
    access::methods,
    context::{Actor, Ctx, Role, User},
    rpc::{BrokenOff, Further, Messages, call_stream, call_upload},
    service_error,
    testing::{Log, eventually},
};
use prost::{Message, Name};
use tokio::sync::{Semaphore, oneshot};
use tonic::{Code, Request, Response, Status, Streaming, codec::Codec};

use crate::probe::{self, Probe};

service_error! {
    #[derive(Debug, thiserror::Error)]
    enum Error {
        #[error("the order is gone")]
        Gone => Unavailable "ORDER_GONE",
        #[error(transparent)]
        BrokenOff(#[from] BrokenOff) => source,
    }
}

/// A call after the server stack.
fn called<T, R: Name>(message: T, role: Role) -> Request<T> {
    let user = User { sub: "alice".to_owned(), email: None, email_verified: false, role };
    let mut request = Request::new(message);
    request.extensions_mut().insert(Ctx {
        actor: Actor::User(user),
        user_token: None,
        request_id: "r1".to_owned(),
        idempotency_key: None,
        deadline: Instant::now() + Duration::from_secs(30),
        method: methods().by_request(&R::full_name()).expect("an RPC"),
        client: levqor_runtime::context::Client::default(),
    });
    request
}

fn get_order(role: Role) -> Request<GetOrderRequest> {
    called::<_, GetOrderRequest>(GetOrderRequest { order_id: "o1".to_owned() }, role)
}

fn order(id: &str) -> Order {
    Order { order_id: id.to_owned(), ..Order::default() }
}

async fn codes(answer: Response<Messages<Order>>) -> Vec<Result<String, Code>> {
    answer
        .into_inner()
        .map(|next| next.map(|order| order.order_id).map_err(|error| error.code()))
        .collect()
        .await
}

#[tokio::test]
async fn a_stream_may_be_refused_and_may_fail_and_each_is_logged_once() {
    let probe = probe::start().await;
    let (log, _guard) = Log::start(tracing::Level::WARN);
    let refused = call_stream(&probe.running.service, get_order(Role::Customer), |_, _, _| async {
        Err::<stream::Empty<Result<Order, Error>>, _>(Error::Gone)
    });
    assert_eq!(refused.await.err().map(|status| status.code()), Some(Code::Unavailable));
    assert_eq!(log.text().matches("ORDER_GONE").count(), 1, "{}", log.text());
    let failing = call_stream(&probe.running.service, get_order(Role::Customer), |_, _, _| async {
        Ok::<_, Error>(stream::iter([Ok(order("1")), Err(Error::Gone), Ok(order("2"))]))
    });
    let answer = failing.await.expect("it begins");
    assert_eq!(codes(answer).await, [Ok("1".to_owned()), Err(Code::Unavailable)]);
    assert_eq!(log.text().matches("ORDER_GONE").count(), 2, "{}", log.text());
    let panicking = call_stream(&probe.running.service, get_order(Role::Customer), |_, _, _| async {
        let panics = stream::once(async { panic!("secret words") });
        Ok::<_, Error>(stream::iter([Ok(order("1"))]).chain(panics))
    });
    assert_eq!(codes(panicking.await.expect("it begins")).await, [Ok("1".to_owned()), Err(Code::Internal)]);
    probe.stop().await;
}

#[tokio::test]
async fn a_text_that_no_table_can_hold_is_refused() {
    let probe = probe::start().await;
    let request = called::<_, GetOrderRequest>(GetOrderRequest { order_id: "\0".to_owned() }, Role::Customer);
    let refused = call_stream(&probe.running.service, request, |_, _, _| async {
        Ok::<_, Error>(stream::empty::<Result<Order, Error>>())
    });
    assert_eq!(refused.await.err().map(|status| status.code()), Some(Code::InvalidArgument));
    probe.stop().await;
}

#[tokio::test]
async fn a_reading_stream_ends_with_its_client_and_a_mutating_one_continues() {
    static NEXT: Semaphore = Semaphore::const_new(0);
    static DONE: Semaphore = Semaphore::const_new(0);
    let probe = probe::start().await;
    // A stream of two messages. It reports when the second is made, and when the stream is dropped.
    let messages = |given_up: oneshot::Sender<()>| {
        stream::unfold((0, given_up), |(n, given_up)| async move {
            NEXT.acquire().await.expect("open").forget();
            if n == 1 {
                DONE.add_permits(1);
            }
            (n < 2).then(|| (Ok::<_, Error>(order(&n.to_string())), (n + 1, given_up)))
        })
    };

    let (given_up, mut seen) = oneshot::channel();
    let reading = call_stream(&probe.running.service, get_order(Role::Customer), move |_, _, _| async move {
        Ok::<_, Error>(messages(given_up))
    });
    let mut reading = reading.await.expect("it begins").into_inner();
    NEXT.add_permits(1);
    assert_eq!(reading.next().await.expect("a message").expect("no failure").order_id, "0");
    drop(reading);
    assert_eq!(
        seen.try_recv(),
        Err(oneshot::error::TryRecvError::Closed),
        "nobody reads, and nothing goes on"
    );

    let (given_up, _seen) = oneshot::channel();
    let request = ReleaseOrderRequest { order_id: "o1".to_owned() };
    let request = called::<_, ReleaseOrderRequest>(request, Role::Customer);
    let changing = call_stream(&probe.running.service, request, move |_, _, _| async move {
        Ok::<_, Error>(messages(given_up))
    });
    drop(changing.await.expect("it begins"));
    NEXT.add_permits(3);
    eventually("it is done all the same", || async { (DONE.available_permits() == 1).then_some(()) }).await;
    probe.stop().await;
}

#[tokio::test]
async fn the_access_of_staff_to_a_stream_is_recorded_before_it_begins() {
    let probe = probe::start().await;
    for (role, entries) in [(Role::Customer, 0), (Role::Staff, 1)] {
        let reading = call_stream(&probe.running.service, get_order(role), |_, _, _| async {
            Ok::<_, Error>(stream::pending::<Result<Order, Error>>())
        });
        let _open = reading.await.expect("it begins");
        let sql = "SELECT count(*) FROM runtime.audit_entries
                   WHERE action = 'personal_data.read' AND ids ->> 'order_id' = 'o1'";
        let count: i64 = sqlx::query_scalar(sql).fetch_one(probe.db.pool()).await.expect("a count");
        assert_eq!(count, entries, "{role:?}");
    }
    probe.stop().await;
}

/// Messages as they come in, and how they end.
fn incoming(ids: &[&str], end: Option<Status>) -> Streaming<GetOrderRequest> {
    let frame = |id: &&str| {
        let message = GetOrderRequest { order_id: (*id).to_owned() }.encode_to_vec();
        let mut frame = BytesMut::new();
        frame.put_u8(0);
        frame.put_u32(u32::try_from(message.len()).expect("a small message"));
        frame.put_slice(&message);
        Ok::<Bytes, Status>(frame.freeze())
    };
    let frames: Vec<_> = ids.iter().map(frame).chain(end.map(Err)).collect();
    let decoder = tonic_prost::ProstCodec::<(), GetOrderRequest>::default().decoder();
    Streaming::new_request(decoder, Body::from_stream(stream::iter(frames)), None, None)
}

async fn all(
    _: Arc<Probe>,
    _: Ctx,
    first: GetOrderRequest,
    mut further: Further<GetOrderRequest>,
) -> Result<Order, Error> {
    let mut ids = first.order_id;
    while let Some(next) = further.next().await? {
        ids += &next.order_id;
    }
    Ok(order(&ids))
}

#[tokio::test]
async fn an_upload_is_read_to_its_end_and_half_of_one_is_refused() {
    let probe = probe::start().await;
    let upload = async |messages: Streaming<GetOrderRequest>| {
        let request = called::<_, GetOrderRequest>(messages, Role::Customer);
        call_upload(&probe.running.service, request, all).await
    };
    let whole = upload(incoming(&["a", "b", "c"], None)).await.expect("taken");
    assert_eq!(whole.into_inner().order_id, "abc");
    for ids in [&["a", "b"][..], &[]] {
        let half = upload(incoming(ids, Some(Status::aborted("the stream was interrupted")))).await;
        assert_eq!(half.err().map(|status| status.code()), Some(Code::InvalidArgument));
    }
    probe.stop().await;
}
