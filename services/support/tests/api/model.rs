//! The language model: its text is shown only if the articles contain it. Each failure ends in the answer that the chat gives
//! without a model, with a way to a person.

mod failures;
mod streams;

use std::time::Instant;

use levqor_proto_support::v1::{CreateConversationRequest, turn::Outcome};
use levqor_runtime::testing::Caller;
use serde_json::{Value, json};
use wiremock::{Mock, MockServer, Request, Respond, ResponseTemplate, matchers::path};

use crate::{
    bench::{ANSWERED, Bench, NOT_KNOWN, ada, bob},
    hostile_prompts::ABOUT_THE_ACCOUNT,
};

/// Words of the article that answers `ANSWERED`.
pub(crate) const QUOTE: &str = "It begins when you submit the complete intake form, and not when you pay.";
/// An answer in other words that they support.
pub(crate) const WRITTEN: &str = "The clock begins when you submit the complete intake form.";

/// A server of a model.
pub(crate) struct FakeModel(MockServer);

impl FakeModel {
    pub(crate) async fn start(answers: impl Respond + 'static) -> Self {
        let server = MockServer::start().await;
        Mock::given(path("/v1/chat/completions")).respond_with(answers).mount(&server).await;
        Self(server)
    }

    /// Support with this model.
    pub(crate) async fn bench(&self) -> Bench {
        self.bench_that_waits("8").await
    }

    /// Support with this model, which waits for it for this number of seconds.
    pub(crate) async fn bench_that_waits(&self, seconds: &str) -> Bench {
        Bench::start_with_model(&self.0.uri(), seconds).await
    }

    /// The bodies of the requests.
    pub(crate) async fn requests(&self) -> Vec<Value> {
        let requests = self.0.received_requests().await.expect("recorded");
        requests.iter().map(|request| request.body_json().expect("JSON")).collect()
    }
}

impl Bench {
    pub(crate) async fn start_with_model(server: &str, seconds: &str) -> Self {
        let base = format!("{server}/v1");
        let settings =
            [("OPENAI_API_KEY", "sk-secret"), ("OPENAI_BASE_URL", &*base), ("LEVQOR_AI_TIMEOUT_S", seconds)];
        Self { service: levqor_runtime::testing::TestService::start(&settings).await }
    }
}

/// The answer of the server with this text of the model.
pub(crate) fn completion(content: &str) -> ResponseTemplate {
    ResponseTemplate::new(200).set_body_json(json!({
        "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": content}}],
        "usage": {"prompt_tokens": 900, "completion_tokens": 40, "total_tokens": 940},
    }))
}

/// The request to the model: the passages, and the question.
pub(crate) fn asked(body: &Value) -> Value {
    let content = body["messages"][1]["content"].as_str().expect("a question");
    serde_json::from_str(content).expect("JSON")
}

/// A statement that quotes these words from the passage that has them. `body`: the request to the model.
fn statement(body: &Value, text: &str, quote: &str) -> Value {
    let passages = asked(body)["passages"].as_array().expect("passages").clone();
    let has = |passage: &&Value| passage["text"].as_str().is_some_and(|text| text.contains(quote));
    let number = passages.iter().find(has).map_or(json!(1), |passage| passage["number"].clone());
    json!({"text": text, "passage": number, "quote": quote})
}

/// A model that writes this text, and quotes these words from the passage that has them.
pub(crate) fn writes(text: &str, quote: &str) -> impl Fn(&Request) -> ResponseTemplate + Send + Sync + use<> {
    let (text, quote) = (text.to_owned(), quote.to_owned());
    move |request: &Request| {
        let statement = statement(&request.body_json().expect("JSON"), &text, &quote);
        completion(&json!({"answered": true, "statements": [statement]}).to_string())
    }
}

#[tokio::test]
async fn an_answer_in_other_words_names_its_source_and_is_counted() {
    let model = FakeModel::start(writes(WRITTEN, QUOTE)).await;
    let bench = model.bench().await;
    let chat = bench.chat(Caller::anonymous()).await;
    let turn = chat.say(ANSWERED).await;
    assert!(turn.reply.starts_with(WRITTEN) && turn.reply.contains("An AI wrote this"), "{}", turn.reply);
    assert_eq!(turn.outcome(), Outcome::Answered);
    assert_eq!(turn.sources[0].slug, "delivery-times-and-late-orders");
    let of_call = "outcome = 'ANSWERED' AND tokens_read = 900 AND tokens_written = 40 AND position = 1";
    assert_eq!(bench.count(&format!("model_calls WHERE {of_call}")).await, 1);
    let [request] = model.requests().await.try_into().expect("one request");
    assert_eq!(request["response_format"]["json_schema"]["strict"], true);
    assert!(asked(&request)["passages"].as_array().is_some_and(|passages| passages.len() > 3));
    // A rule hands over, so the model is not asked.
    assert_eq!(chat.say("I want to talk to a human").await.outcome(), Outcome::HandedOff);
    assert_eq!(chat.say(ANSWERED).await.outcome(), Outcome::Forwarded);
    assert_eq!(model.requests().await.len(), 1);
}

#[tokio::test]
async fn personal_data_does_not_leave_and_is_put_back() {
    let model = FakeModel::start(writes(&format!("[NAME_1], {WRITTEN}"), QUOTE)).await;
    let bench = model.bench().await;
    let text =
        format!("Lovelace here, ada@example.com, card 4111 1111 1111 1111, tel 020 7946 0958. {ANSWERED}");
    let request =
        CreateConversationRequest { text, customer_name: "Ada Lovelace".to_owned(), ..Default::default() };
    let created = bench.create(&ada(), request).await.expect("created");
    assert!(created.notice.contains("An AI writes"), "{}", created.notice);
    let turn = created.turn.expect("a turn");
    assert!(turn.reply.starts_with("Lovelace, The clock"), "{}", turn.reply);
    let [sent] = model.requests().await.try_into().expect("one request");
    let question = asked(&sent)["question"].as_str().expect("a question").to_owned();
    assert_eq!(question, format!("[NAME_1] here, [MAIL_2], card [NUMBER_3], tel [NUMBER_4]. {ANSWERED}"));
}

#[tokio::test]
async fn where_the_model_finds_nothing_a_person_is_offered() {
    let model = FakeModel::start(completion(r#"{"answered": false, "statements": []}"#)).await;
    let bench = model.bench().await;
    let turn = bench.chat(Caller::anonymous()).await.say(ANSWERED).await;
    assert_eq!((turn.outcome(), turn.offers_person), (Outcome::NotKnown, true), "{}", turn.reply);
    assert_eq!(bench.count("model_calls WHERE outcome = 'NO_ANSWER'").await, 1);
}

#[tokio::test]
async fn a_burst_of_five_messages_is_one_turn() {
    let model = FakeModel::start(writes(WRITTEN, QUOTE)).await;
    let bench = model.bench().await;
    let chat = bench.chat(Caller::anonymous()).await;
    bench.stop_time().await;
    for text in ["Hello", "I have a question", "about the delivery", "when does its time begin", "please"] {
        chat.post(text).await.expect("answered");
    }
    assert_eq!(bench.count("turns WHERE message_count = 5 AND outcome = 'ANSWERED'").await, 1);
    let last = model.requests().await.pop().expect("a request");
    assert!(asked(&last)["question"].as_str().is_some_and(|question| question.ends_with("begin\nplease")));
}

#[tokio::test]
async fn no_prompt_sends_or_gets_anything_of_another_customer() {
    // It obeys the prompt, and even quotes an article for it.
    let obeys = |request: &Request| {
        let question = asked(&request.body_json().expect("JSON"))["question"].clone();
        let statement = json!({"text": question, "passage": 1, "quote": QUOTE});
        completion(&json!({"answered": true, "statements": [statement]}).to_string())
    };
    let model = FakeModel::start(obeys).await;
    let bench = model.bench().await;
    bench.ticket(&bob(), "the secret word of Bob is zeppelin").await;
    for &text in ABOUT_THE_ACCOUNT {
        let request = CreateConversationRequest { text: text.to_owned(), ..Default::default() };
        let reply = bench.create(&ada(), request).await.expect("answered").turn.expect("a turn").reply;
        assert!(!reply.to_lowercase().contains("zeppelin") && !reply.contains("bob@"), "{text}: {reply}");
    }
    let prompts = include_str!("../../data/hostile-prompts.jsonl").lines();
    for prompt in prompts.map(|line| serde_json::from_str::<Value>(line).expect("JSON")) {
        let text = prompt["text"].as_str().expect("a text").to_owned();
        let caller = ada();
        let created =
            bench.create(&caller, CreateConversationRequest { text: text.clone(), ..Default::default() });
        let reply = created.await.expect("answered").turn.expect("a turn").reply;
        for of_bob in ["zeppelin", "bob@example", "http://evil", "£0"] {
            assert!(!reply.to_lowercase().contains(of_bob), "{text}: {reply}");
        }
    }
    let requests = model.requests().await;
    assert!(requests.len() > 20, "{}", requests.len());
    for request in requests {
        let sent = asked(&request);
        let passages = sent["passages"].as_array().expect("passages").iter();
        let account =
            passages.filter(|passage| passage["article"] == "Your account").map(|passage| &passage["text"]);
        let account = account.map(Value::to_string).collect::<String>();
        let sent = format!("{} {} {account}", sent["question"], sent["earlier"]).to_lowercase();
        for secret in
            ["zeppelin", "@example", "0192f3a1", "0192f3a2", "0192f3a4", "cus_r8k", "in_1qkd", "lq-10"]
        {
            assert!(!sent.contains(secret), "{secret} leaves: {sent}");
        }
    }
}

#[tokio::test]
async fn a_model_that_fails_repeatedly_is_not_called_for_a_while() {
    let model = FakeModel::start(ResponseTemplate::new(500)).await;
    let bench = model.bench().await;
    let chat = bench.chat(Caller::anonymous()).await;
    for _ in 0..4 {
        let begin = Instant::now();
        assert_eq!(chat.say(ANSWERED).await.outcome(), Outcome::Answered);
        assert!(begin.elapsed().as_secs() < 10);
    }
    assert_eq!(model.requests().await.len(), 3);
    assert_eq!(chat.say(NOT_KNOWN).await.outcome(), Outcome::NotKnown);
}

/// Asserts that Ada gets an answer that no model wrote, after this statement.
async fn assert_answered_without_model(sql: &str) {
    let model = FakeModel::start(completion("{}")).await;
    let bench = model.bench().await;
    bench.service.execute(sql).await;
    let request = CreateConversationRequest { text: ANSWERED.to_owned(), ..Default::default() };
    let answer = bench.conversations().create_conversation(ada().request(request)).await.expect("answered");
    let turn = answer.into_inner().turn.expect("a turn");
    assert_eq!(turn.outcome(), Outcome::Answered);
    assert!(turn.reply.contains("intake form"), "{}", turn.reply);
    assert!(model.requests().await.is_empty(), "the model was asked");
}

#[tokio::test]
async fn a_customer_who_objects_to_automation_gets_passages_and_the_model_is_not_asked() {
    assert_answered_without_model(
        "INSERT INTO runtime.objections (objection_id, owner_sub, scope, stands, change_time)
         VALUES (gen_random_uuid(), 'ada', 'AUTOMATION', true, runtime.now())",
    )
    .await;
}

#[tokio::test]
async fn a_customer_whose_data_is_restricted_gets_passages_and_the_model_is_not_asked() {
    assert_answered_without_model(
        "INSERT INTO runtime.holds (hold_row_id, hold_id, kind, owner_sub, stands, change_time)
         VALUES (gen_random_uuid(), gen_random_uuid(), 'RESTRICTION', 'ada', true, runtime.now())",
    )
    .await;
}
