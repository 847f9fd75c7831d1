//! The guard: the service that asked for a message is asked whether it is still wanted, just before the mail goes out.

use std::sync::{
    Arc,
    atomic::{AtomicU8, AtomicUsize, Ordering},
};

use levqor_notifications::Notifications;
use levqor_proto_mail::v1::SendMessageRequest;
use levqor_proto_notifications::v1::{ResendMessageRequest, message::State};
use levqor_proto_runtime::v1::{
    StillWantedRequest, StillWantedResponse,
    guard_service_server::{GuardService, GuardServiceServer},
};
use levqor_runtime::testing::{Caller, TestService, eventually, spawn};
use sqlx::Row;
use tonic::{Request, Response, Status, transport::Server};

use crate::{
    ADDRESS_KEY, Notified,
    fake_mail::{self, Behaviour, FakeMail},
    reason, refused, welcome,
};

const YES: u8 = 0;
const NO: u8 = 1;
const DOWN: u8 = 2;
const UNKNOWN: u8 = 3;

/// A service that answers as the test says.
#[derive(Clone, Default)]
struct Guard {
    answer: Arc<AtomicU8>,
    asked: Arc<AtomicUsize>,
}

#[tonic::async_trait]
impl GuardService for Guard {
    async fn still_wanted(
        &self,
        request: Request<StillWantedRequest>,
    ) -> Result<Response<StillWantedResponse>, Status> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        assert!(request.metadata().get("authorization").is_some(), "the caller says who it is");
        let StillWantedRequest { service, subject } = request.into_inner();
        assert_eq!((service.as_str(), subject.as_str()), ("billing", "invoice:in_1:unpaid"));
        match self.answer.load(Ordering::SeqCst) {
            YES => Ok(Response::new(StillWantedResponse { wanted: true, reason: String::new() })),
            NO => Ok(Response::new(StillWantedResponse { wanted: false, reason: "INVOICE_PAID".to_owned() })),
            DOWN => Err(Status::unavailable("down")),
            _ => Err(Status::not_found("no such subject")),
        }
    }
}

/// A service under test whose billing is this guard.
async fn start(guard: &Guard, mail: &[(&str, &str)]) -> Notified {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address").to_string();
    let incoming = tokio_stream::wrappers::TcpListenerStream::new(listener);
    let server = Server::builder().add_service(GuardServiceServer::new(guard.clone()));
    drop(spawn(async move { server.serve_with_incoming(incoming).await.expect("it serves") }));
    let settings: Vec<_> =
        [ADDRESS_KEY, ("LEVQOR_BILLING_ADDR", &address)].into_iter().chain(mail.iter().copied()).collect();
    Notified { service: TestService::<Notifications>::start(&settings).await }
}

fn guarded() -> SendMessageRequest {
    SendMessageRequest { guard_subject: "invoice:in_1:unpaid".to_owned(), ..welcome("1", "ada@example.com") }
}

#[tokio::test]
async fn a_wanted_message_is_sent_and_an_unwanted_one_is_not() {
    let guard = Guard::default();
    let notified = start(&guard, &[]).await;
    let sent = notified.sent("a", guarded()).await;
    assert_eq!((sent.requested_by.as_str(), sent.guard_subject.as_str()), ("billing", "invoice:in_1:unpaid"));

    guard.answer.store(NO, Ordering::SeqCst);
    let request = SendMessageRequest { about: "order:2".to_owned(), ..guarded() };
    let id = notified.send("b", request).await.expect("stored").message_id;
    let message = eventually("it is cancelled", || async {
        let message = notified.message(&id).await;
        (message.state() == State::Cancelled).then_some(message)
    })
    .await;
    assert_eq!(message.cancellation, "INVOICE_PAID");
    // A change of mind has no effect: the message has ended.
    guard.answer.store(YES, Ordering::SeqCst);
    assert_eq!(notified.deliver(&id).await.expect("an answer"), State::Cancelled);
    assert_eq!(notified.count("mailbox").await, 1);
    assert_eq!(guard.asked.load(Ordering::SeqCst), 2, "it is asked while the message waits, and no more");

    // Nor may a person send it while it is not wanted.
    guard.answer.store(NO, Ordering::SeqCst);
    let again = Caller::staff().with_key("again").request(ResendMessageRequest { message_id: id.clone() });
    notified.client().resend_message(again).await.expect("asked again");
    assert_eq!(notified.deliver(&id).await.expect("an answer"), State::Cancelled);
    assert_eq!(notified.count("mailbox").await, 1);
}

#[tokio::test]
async fn without_an_answer_the_mail_waits_and_is_neither_sent_nor_dropped() {
    let guard = Guard::default();
    let notified = start(&guard, &[]).await;
    for answer in [DOWN, UNKNOWN] {
        guard.answer.store(answer, Ordering::SeqCst);
        let request = SendMessageRequest { about: format!("order:{answer}"), ..guarded() };
        let id = notified.send(&answer.to_string(), request).await.expect("stored").message_id;
        assert_eq!(reason(&refused(notified.deliver(&id).await)), "GUARD_UNANSWERED");
        assert_eq!(notified.message(&id).await.state(), State::Pending);
        assert_eq!(notified.count("delivery_attempts").await, 0);
    }
    guard.answer.store(YES, Ordering::SeqCst);
    eventually("both are sent", || async { (notified.count("mailbox").await == 2).then_some(()) }).await;
    // A service that is nowhere answers nothing.
    let nowhere = Notified::start().await;
    let id = nowhere.send("a", guarded()).await.expect("stored").message_id;
    assert_eq!(reason(&refused(nowhere.deliver(&id).await)), "GUARD_UNANSWERED");
}

#[tokio::test]
async fn a_message_that_a_provider_may_have_is_in_doubt_when_it_is_not_wanted_any_more() {
    let (guard, provider) = (Guard::default(), FakeMail::start());
    let url = provider.url();
    let notified = start(&guard, &[("RESEND_API_KEY", fake_mail::API_KEY), ("RESEND_API_BASE", &url)]).await;
    provider.next([Behaviour::Fail(503)]);
    let id = notified.pending().await;
    notified.execute("UPDATE messages SET guard_subject = 'invoice:in_1:unpaid'").await;
    assert_eq!(reason(&refused(notified.deliver(&id).await)), "MAIL_PROVIDER_UNAVAILABLE");
    guard.answer.store(NO, Ordering::SeqCst);
    assert_eq!(notified.deliver(&id).await.expect("an answer"), State::InDoubt);
    let doubt = notified.message(&id).await.doubt;
    assert!(doubt.contains("must not be sent any more: it is not wanted any more"), "{doubt}");
    assert_eq!((provider.requests(), provider.accepted().len()), (1, 0));
    let attempts = sqlx::query("SELECT outcome FROM delivery_attempts");
    let outcomes = attempts.fetch_all(notified.service.db.pool()).await.expect("rows");
    assert_eq!(outcomes.iter().map(|row| row.get::<String, _>(0)).collect::<Vec<_>>(), ["AMBIGUOUS"]);
}
