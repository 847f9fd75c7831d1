//! Every failure of the model: a real conversation, an honest answer within 10 seconds, and a way to a person.

use std::time::{Duration, Instant};

use chrono::NaiveDate;
use levqor_proto_mail::v1::{OperatorNoticeKind, OperatorNoticeSeverity};
use levqor_proto_support::v1::turn::{HandOffReason, Outcome};
use levqor_runtime::{metrics, service::Service, testing::Caller};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};
use wiremock::{Request, ResponseTemplate};

use super::{FakeModel, QUOTE, WRITTEN, completion, writes};
use crate::bench::{ANSWERED, Bench};

/// The server's answer.
type Answers = Box<dyn Fn(&Request) -> ResponseTemplate + Send + Sync>;

/// The alerts of support.
const RULES: &str = include_str!("../../../../../observability/prometheus/rules/support.yml");

/// How many questions to the model are counted under this outcome, by what Prometheus reads.
fn counted(bench: &Bench, outcome: &str) -> f64 {
    let own = bench.service.running.chassis().metrics.clone();
    let label = format!("outcome=\"{outcome}\"");
    let page = metrics::render(&[own], metrics::Format::Plain);
    let is_it = |line: &&str| line.starts_with("levqor_support_model_calls_total") && line.contains(&label);
    let count = page.lines().find(is_it).and_then(|line| line.rsplit(' ').next());
    count.map_or(0.0, |count| count.parse().expect("a number"))
}

/// Whether `LanguageModelFails` counts this outcome as a failure.
fn is_told(outcome: &str) -> bool {
    let failures = RULES.split("levqor_support_model_calls_total{outcome=~\"").nth(1).expect("the alert");
    failures.split('"').next().is_some_and(|outcomes| outcomes.split('|').any(|told| told == outcome))
}

/// Asks a question, and then requests a person.
async fn assert_survives(bench: &Bench, name: &str, outcome: &str) {
    let chat = bench.chat(Caller::anonymous()).await;
    let begin = Instant::now();
    let turn = chat.say(ANSWERED).await;
    assert!(begin.elapsed() < Duration::from_secs(10), "{name}");
    assert_eq!(turn.outcome(), Outcome::Answered, "{name}: {}", turn.reply);
    assert!(turn.reply.starts_with("From our help article"), "{name}: {}", turn.reply);
    assert!(turn.reply.contains("ask for a person") && turn.sources.len() == 1, "{name}: {}", turn.reply);
    let calls = format!("model_calls WHERE outcome = '{outcome}'");
    assert_eq!(bench.count(&calls).await, 1, "{name}: expected {outcome}");
    // An answer that the articles do not support is the model's, not its server's: customers read an article instead.
    assert!(
        counted(bench, outcome) > 0.0 && is_told(outcome) == (outcome != "UNSUPPORTED"),
        "{name}: {outcome}"
    );
    assert_told(bench, name, outcome).await;
    let handed = chat.say("Can I talk to a person?").await;
    assert_eq!(handed.hand_off_reason(), HandOffReason::Asked, "{name}: {}", handed.reply);
}

/// Asserts that the capability fails while the model does not work, and that operators get a notice of a wrong setting.
async fn assert_told(bench: &Bench, name: &str, outcome: &str) {
    let told = bench.service.running.service.capabilities();
    let ai = told.iter().find(|told| told.name == "ai").expect("the capability");
    let works = matches!(outcome, "UNSUPPORTED" | "REFUSED");
    assert_eq!((ai.is_on(), ai.reason.contains(outcome)), (works, !works), "{name}: {}", ai.reason);
    let notices = bench.notices().await;
    let of_model = notices.iter().filter(|notice| notice.kind() == OperatorNoticeKind::SystemFailed);
    let is_wrong = matches!(outcome, "UNAUTHORISED" | "REJECTED");
    assert_eq!(of_model.count(), usize::from(is_wrong), "{name}: {notices:?}");
}

fn choice(message: &serde_json::Value, finish_reason: &str) -> ResponseTemplate {
    let choice = json!({"index": 0, "finish_reason": finish_reason, "message": message});
    ResponseTemplate::new(200).set_body_json(json!({"choices": [choice]}))
}

#[tokio::test]
async fn each_failure_ends_in_the_answer_without_a_model() {
    let boxed = |template: ResponseTemplate| Box::new(move |_: &Request| template.clone()) as Answers;
    let status = |status| boxed(ResponseTemplate::new(status));
    let wrote = |text: &str, quote: &str| Box::new(writes(text, quote)) as Answers;
    let cases: Vec<(&str, Answers, &str)> = vec![
        ("a wrong key", status(401), "UNAUTHORISED"),
        ("a key without rights", status(403), "UNAUTHORISED"),
        ("too many requests", status(429), "RATE_LIMITED"),
        ("a failure", status(500), "SERVER_FAILED"),
        ("an unknown model", status(404), "REJECTED"),
        ("no answer in time", boxed(completion("{}").set_delay(Duration::from_secs(3))), "TIMED_OUT"),
        ("a broken body", boxed(ResponseTemplate::new(200).set_body_string("{\"choices\": [")), "MALFORMED"),
        ("no structure", boxed(completion("Sure! Let me see.")), "MALFORMED"),
        ("no content", boxed(choice(&json!({"content": null}), "stop")), "EMPTY"),
        ("no choice", boxed(ResponseTemplate::new(200).set_body_json(json!({"choices": []}))), "EMPTY"),
        ("no statement", boxed(completion(r#"{"answered": true, "statements": []}"#)), "EMPTY"),
        ("too long", boxed(choice(&json!({"content": "{\"answered\": tr"}), "length")), "CUT"),
        ("a refusal", boxed(choice(&json!({"content": null, "refusal": "No."}), "stop")), "REFUSED"),
        ("a filter", boxed(choice(&json!({"content": "x"}), "content_filter")), "REFUSED"),
        ("an invented quote", wrote(WRITTEN, "It begins when you pay for it."), "UNSUPPORTED"),
        ("an invented price", wrote("The complete intake form costs £1.", QUOTE), "UNSUPPORTED"),
        ("an invented link", wrote(&format!("{WRITTEN} See https://evil.example."), QUOTE), "UNSUPPORTED"),
        ("an invented promise", wrote(&format!("{WRITTEN} We guarantee it."), QUOTE), "UNSUPPORTED"),
    ];
    for (name, answer, outcome) in cases {
        let model = FakeModel::start(answer).await;
        let seconds = if outcome == "TIMED_OUT" { "1" } else { "8" };
        assert_survives(&model.bench_that_waits(seconds).await, name, outcome).await;
    }
}

#[tokio::test]
async fn a_connection_that_breaks_or_cannot_be_made_is_the_same() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = format!("http://{}", listener.local_addr().expect("an address"));
    let breaks = async move {
        let (mut socket, _) = listener.accept().await.expect("a connection");
        let mut request = [0; 4_096];
        let _ = socket.read(&mut request).await;
        let half = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 500\r\n\r\n{\"choices\": [";
        socket.write_all(half).await.expect("half an answer");
    };
    let bench = Bench::start_with_model(&address, "8").await;
    tokio::join!(breaks, assert_survives(&bench, "a cut answer", "CUT"));
    // Nothing listens on port 1.
    let bench = Bench::start_with_model("http://127.0.0.1:1", "8").await;
    assert_survives(&bench, "nobody there", "UNREACHABLE").await;
}

#[tokio::test]
async fn operators_get_one_notice_a_day_of_a_wrong_key() {
    let model = FakeModel::start(ResponseTemplate::new(401)).await;
    let (first, second) = (model.bench().await, model.bench().await);
    // Each process notices it by itself. Notifications tells of the same kind and subject once.
    for bench in [&first, &second] {
        bench.chat(Caller::anonymous()).await.say(ANSWERED).await;
    }
    let (first, second) = (first.notices().await, second.notices().await);
    let ([one], [another]) = (&first[..], &second[..]) else { panic!("{first:?} {second:?}") };
    assert_eq!(
        (one.kind(), one.severity()),
        (OperatorNoticeKind::SystemFailed, OperatorNoticeSeverity::Warning)
    );
    // The subject ends with the day.
    let (about, day) = one.about.rsplit_once(':').expect("a day");
    let (another_about, another_day) = another.about.rsplit_once(':').expect("a day");
    assert_eq!((about, one.kind()), (another_about, another.kind()));
    let days = [day, another_day].map(|day| day.parse::<NaiveDate>().expect("a day"));
    // Midnight may come between the two processes.
    assert!(days[0] == days[1] || days[0].succ_opt() == Some(days[1]), "{days:?}");
    assert!(one.text.contains("OPENAI_API_KEY") && !one.text.contains("sk-secret"), "{}", one.text);
}

#[tokio::test]
async fn without_a_key_nothing_fails_and_the_capability_says_that_it_is_off() {
    let bench = Bench::start().await;
    let chat = bench.chat(Caller::anonymous()).await;
    let begin = Instant::now();
    let turn = chat.say(ANSWERED).await;
    assert!(begin.elapsed() < Duration::from_secs(10) && !chat.id.is_empty());
    assert!(turn.reply.starts_with("From our help article") && turn.reply.contains("ask for a person"));
    assert_eq!(bench.count("model_calls").await, 0);
    for outcome in ["ANSWERED", "UNREACHABLE", "UNAUTHORISED"] {
        assert!(counted(&bench, outcome) < 1.0, "nothing is counted as {outcome}, so nothing is told");
    }
    let told = bench.service.running.service.capabilities();
    let ai = told.iter().find(|told| told.name == "ai").expect("the capability");
    assert!(!ai.is_on(), "{}", ai.name);
    assert_eq!(chat.say("Can I talk to a person?").await.hand_off_reason(), HandOffReason::Asked);
}
