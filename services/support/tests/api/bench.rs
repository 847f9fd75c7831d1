//! The whole service under test, and helpers for the tests.

mod billing;
mod compliance;

use std::ops::Deref;

use levqor_proto_mail::v1::{NotifyOperatorsRequest, OperatorNoticeKind, SendMessageRequest};
use levqor_proto_support::v1::{
    Conversation, CreateConversationRequest, CreateConversationResponse, CreateTicketRequest,
    GetTicketRequest, GetTicketResponse, PostMessageRequest, PostMessageResponse, ReplyTicketRequest,
    StreamMessageRequest, Ticket, Turn, article_service_client::ArticleServiceClient,
    conversation_service_client::ConversationServiceClient, stream_message_response::Part,
    ticket_service_client::TicketServiceClient,
};
use levqor_runtime::{
    client::Peer,
    run,
    testing::{self, Caller, TestService, eventually},
};
use levqor_support::Support;
use prost::{Message, Name};
use tokio_stream::{Stream, StreamExt};
use tonic::Status;

pub(crate) use billing::FakeBilling;
pub(crate) use compliance::FakeCompliance;

/// The id of something that does not exist.
pub(crate) const NOBODYS: &str = "0190b2c4-0000-7000-8000-000000000000";
/// A question that an article answers.
pub(crate) const ANSWERED: &str = "When does the delivery time begin?";
/// A question that no article answers.
pub(crate) const NOT_KNOWN: &str = "Which wine goes well with grilled salmon?";
/// Another one.
pub(crate) const NOT_KNOWN_EITHER: &str = "Who won the football championship?";

/// The running service.
pub(crate) struct Bench {
    pub(crate) service: TestService<Support>,
}

/// A conversation, and whose it is.
pub(crate) struct Chat<'b> {
    bench: &'b Bench,
    pub(crate) caller: Caller,
    pub(crate) id: String,
    pub(crate) token: String,
}

/// Ada, a customer.
pub(crate) fn ada() -> Caller {
    Caller::customer("ada", "ada@example.com")
}

/// Bob, another one.
pub(crate) fn bob() -> Caller {
    Caller::customer("bob", "bob@example.com")
}

impl Bench {
    /// Without billing.
    pub(crate) async fn start() -> Self {
        Self { service: TestService::start(&[]).await }
    }

    /// With these settings.
    pub(crate) async fn start_set(settings: &[(&str, &str)]) -> Self {
        Self { service: TestService::start(settings).await }
    }

    /// Without the address of compliance.
    pub(crate) async fn start_without_compliance() -> Self {
        let url = testing::database::<Support>().await;
        let mut config = testing::config::<Support>(&url, &[]);
        assert!(config.addresses.0.remove("compliance").is_some(), "it is a setting of support");
        let running = run::start(config).await.expect("the service starts");
        Self { service: TestService { running, db: testing::connect(&url), url } }
    }

    /// With billing at this address. Support waits less than a second for it, so the connection is there before the test begins.
    pub(crate) async fn start_with(billing: &FakeBilling) -> Self {
        let bench = Self { service: TestService::start(&[("LEVQOR_BILLING_ADDR", &billing.address)]).await };
        eventually("support knows the prices", || async {
            bench.article(&Caller::anonymous(), "plan-growth").await.ok()
        })
        .await;
        bench
    }

    pub(crate) fn conversations(&self) -> ConversationServiceClient<Peer> {
        ConversationServiceClient::new(self.service.channel())
    }

    pub(crate) fn articles(&self) -> ArticleServiceClient<Peer> {
        ArticleServiceClient::new(self.service.channel())
    }

    pub(crate) fn tickets(&self) -> TicketServiceClient<Peer> {
        TicketServiceClient::new(self.service.channel())
    }

    pub(crate) async fn create(
        &self,
        caller: &Caller,
        request: CreateConversationRequest,
    ) -> Result<CreateConversationResponse, Status> {
        Ok(self.conversations().create_conversation(caller.request(request)).await?.into_inner())
    }

    /// A new conversation of this caller, without a message.
    pub(crate) async fn chat(&self, caller: Caller) -> Chat<'_> {
        let created = self.create(&caller, CreateConversationRequest::default()).await.expect("created");
        let id = created.conversation.expect("a conversation").conversation_id;
        Chat { bench: self, caller, id, token: created.conversation_token }
    }

    /// A ticket of this customer.
    pub(crate) async fn ticket(&self, caller: &Caller, subject: &str) -> Ticket {
        let request = CreateTicketRequest {
            subject: subject.to_owned(),
            text: "It does not work.".to_owned(),
            customer_name: "A Customer".to_owned(),
        };
        let created = self.tickets().create_ticket(caller.request(request)).await.expect("created");
        created.into_inner().ticket.expect("a ticket")
    }

    pub(crate) async fn shown(&self, caller: &Caller, ticket_id: &str) -> Result<GetTicketResponse, Status> {
        let request = caller.request(GetTicketRequest { ticket_id: ticket_id.to_owned() });
        Ok(self.tickets().get_ticket(request).await?.into_inner())
    }

    pub(crate) async fn reply(&self, caller: &Caller, ticket_id: &str, text: &str) -> Result<Ticket, Status> {
        let request = ReplyTicketRequest {
            ticket_id: ticket_id.to_owned(),
            text: text.to_owned(),
            ..ReplyTicketRequest::default()
        };
        let replied = self.tickets().reply_ticket(caller.request(request)).await?;
        Ok(replied.into_inner().ticket.expect("a ticket"))
    }

    /// Stops the mesh's time: what follows happens in one second on a slow machine, too.
    pub(crate) async fn stop_time(&self) {
        self.service
            .execute(
                "DO $$
                 BEGIN
                     EXECUTE format(
                         'CREATE OR REPLACE FUNCTION runtime.now() RETURNS timestamptz LANGUAGE sql STABLE PARALLEL SAFE
                          RETURN %L::timestamptz', runtime.now()
                     );
                 END $$",
            )
            .await;
    }

    /// The mesh's time, in seconds since 1970.
    pub(crate) async fn now_seconds(&self) -> i64 {
        let sql = "SELECT extract(epoch FROM runtime.now())::bigint";
        sqlx::query_scalar(sql).fetch_one(self.service.db.pool()).await.expect("a time")
    }

    /// The deferred requests of this type, sorted by their keys.
    pub(crate) async fn deferred<R: Message + Name + Default>(&self) -> Vec<R> {
        let rpc =
            R::full_name().trim_end_matches("Request").rsplit('.').next().unwrap_or_default().to_owned();
        let rows: Vec<Vec<u8>> = sqlx::query_scalar(
            "SELECT request FROM runtime.work WHERE rpc LIKE '%/' || $1 ORDER BY idempotency_key",
        )
        .bind(rpc)
        .fetch_all(self.service.db.pool())
        .await
        .expect("deferred calls");
        rows.into_iter().map(|request| R::decode(&*request).expect("a request")).collect()
    }

    /// The deferred mails.
    pub(crate) async fn mails(&self) -> Vec<SendMessageRequest> {
        self.deferred().await
    }

    /// The deferred notices for operators, without the warnings of the screen.
    pub(crate) async fn notices(&self) -> Vec<NotifyOperatorsRequest> {
        self.told_of(|kind| kind != OperatorNoticeKind::HighRiskText).await
    }

    /// The warnings of the screen for high-risk data.
    pub(crate) async fn warnings(&self) -> Vec<NotifyOperatorsRequest> {
        self.told_of(|kind| kind == OperatorNoticeKind::HighRiskText).await
    }

    async fn told_of(&self, is_wanted: impl Fn(OperatorNoticeKind) -> bool) -> Vec<NotifyOperatorsRequest> {
        let mut told: Vec<NotifyOperatorsRequest> = self.deferred().await;
        told.retain(|notice| is_wanted(notice.kind()));
        told
    }
}

impl Deref for Bench {
    type Target = TestService<Support>;

    fn deref(&self) -> &TestService<Support> {
        &self.service
    }
}

impl Chat<'_> {
    pub(crate) fn message(&self, text: &str) -> PostMessageRequest {
        PostMessageRequest {
            conversation_id: self.id.clone(),
            conversation_token: self.token.clone(),
            text: text.to_owned(),
        }
    }

    pub(crate) async fn post(&self, text: &str) -> Result<PostMessageResponse, Status> {
        let request = self.caller.request(self.message(text));
        Ok(self.bench.conversations().post_message(request).await?.into_inner())
    }

    /// The parts of a streamed answer.
    pub(crate) async fn stream(&self, text: &str) -> impl Stream<Item = Part> + Unpin {
        let PostMessageRequest { conversation_id, conversation_token, text } = self.message(text);
        let request = StreamMessageRequest { conversation_id, conversation_token, text };
        let mut client = self.bench.conversations();
        let streamed = client.stream_message(self.caller.request(request)).await.expect("a stream");
        streamed.into_inner().map(|part| part.expect("a part").part.expect("a part"))
    }

    /// Posts a message some time after the earlier messages.
    pub(crate) async fn say(&self, text: &str) -> Turn {
        self.say_and_see(text).await.0
    }

    /// The same, with the conversation after it.
    pub(crate) async fn say_and_see(&self, text: &str) -> (Turn, Conversation) {
        self.bench.advance(chrono::TimeDelta::seconds(5)).await;
        let answer = self.post(text).await.expect("answered");
        (answer.turn.expect("a turn"), answer.conversation.expect("a conversation"))
    }
}
