//! An answer that is streamed while the model writes it: only checked statements are sent, and what does not hold in the end is
//! withdrawn.

use std::time::{Duration, Instant};

use levqor_proto_support::v1::{Turn, stream_message_response::Part, turn::Outcome};
use levqor_runtime::testing::Caller;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::oneshot,
};
use tokio_stream::StreamExt;
use wiremock::{Request, ResponseTemplate};

use super::{FakeModel, QUOTE, WRITTEN, statement, writes};
use crate::bench::{ANSWERED, Bench};

/// How the stream of a whole answer ends.
const END: &str = "data: {\"choices\": [{\"index\": 0, \"delta\": {}, \"finish_reason\": \"stop\"}]}\n\n\
                   data: {\"choices\": [], \"usage\": {\"prompt_tokens\": 900, \"completion_tokens\": 40}}\n\n\
                   data: [DONE]\n\n";

/// The events with this text, a few letters in each.
fn events(text: &str) -> String {
    let letters: Vec<_> = text.chars().collect();
    let event = |content: &[char]| {
        let delta = json!({"content": content.iter().collect::<String>()});
        format!("data: {}\n\n", json!({"choices": [{"index": 0, "delta": delta, "finish_reason": null}]}))
    };
    letters.chunks(9).map(event).collect()
}

/// The text of a model that makes these statements. `body`: its request.
fn written(body: &Value, texts: &[&str]) -> String {
    let statements: Vec<_> = texts.iter().map(|text| statement(body, text, QUOTE).to_string()).collect();
    format!("{{\"answered\": true, \"statements\": [{}", statements.join(", "))
}

/// A model that streams these statements, and then this.
fn streams(
    texts: &[&'static str],
    end: String,
) -> impl Fn(&Request) -> ResponseTemplate + Send + Sync + use<> {
    let texts = texts.to_vec();
    move |request: &Request| {
        let written = written(&request.body_json().expect("JSON"), &texts);
        ResponseTemplate::new(200).set_body_raw(events(&written) + &end, "text/event-stream")
    }
}

/// The text of these parts.
fn text(parts: &[Part]) -> String {
    let piece = |part: &Part| if let Part::Piece(piece) = part { Some(piece.clone()) } else { None };
    parts.iter().filter_map(piece).collect()
}

/// The turn at the end of these parts.
fn turn(parts: &[Part]) -> Turn {
    let Some(Part::Answer(answer)) = parts.last() else { panic!("the answer is last: {}", text(parts)) };
    answer.turn.clone().expect("a turn")
}

/// Receives a request, and reads its body.
async fn receive(socket: &mut TcpStream) -> Value {
    let mut request = Vec::<u8>::new();
    loop {
        assert!(socket.read_buf(&mut request).await.expect("a request") > 0, "the request is whole");
        let text = String::from_utf8_lossy(&request);
        let body = text.split_once("\r\n\r\n").and_then(|(_, body)| serde_json::from_str(body).ok());
        if let Some(body) = body {
            return body;
        }
    }
}

#[tokio::test]
async fn a_checked_statement_is_sent_while_the_model_still_writes() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = format!("http://{}", listener.local_addr().expect("an address"));
    let bench = Bench::start_with_model(&address, "8").await;
    let chat = bench.chat(Caller::anonymous()).await;
    let question = format!("I am ada@example.com. {ANSWERED}");
    let (go_on, may_go_on) = oneshot::channel();
    let serve = async move {
        let (mut socket, _) = listener.accept().await.expect("a connection");
        let body = receive(&mut socket).await;
        let first = format!("[MAIL_1], {WRITTEN}");
        let whole = written(&body, &[&first, "It does not begin when you pay."]) + "]}";
        let begin = written(&body, &[&first]);
        let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n";
        socket.write_all(format!("{head}{}", events(&begin)).as_bytes()).await.expect("written");
        may_go_on.await.expect("the first statement came");
        let rest = events(whole.strip_prefix(&begin).expect("the rest")) + END;
        socket.write_all(rest.as_bytes()).await.expect("written");
        body
    };
    let read = async {
        let mut parts = chat.stream(&question).await;
        let accepted = parts.next().await.expect("a part");
        let first = parts.next().await.expect("a part");
        assert_eq!(text(std::slice::from_ref(&first)), format!("ada@example.com, {WRITTEN}"));
        go_on.send(()).expect("the server waits");
        let mut all = vec![accepted, first];
        all.extend(parts.collect::<Vec<_>>().await);
        all
    };
    let (asked, parts) = tokio::join!(serve, read);
    assert_eq!((&asked["stream"], asked.to_string().contains("ada@")), (&json!(true), false));
    let turn = turn(&parts);
    assert_eq!((turn.outcome(), turn.reply.as_str()), (Outcome::Answered, text(&parts).as_str()));
    assert!(turn.reply.contains("when you pay.\n\nAn AI wrote this"), "{}", turn.reply);
    assert!(!parts.contains(&Part::Withdrawn(true)), "{}", text(&parts));
    let of_call = "outcome = 'ANSWERED' AND tokens_read = 900 AND tokens_written = 40";
    assert_eq!(bench.count(&format!("model_calls WHERE {of_call}")).await, 1);
}

#[tokio::test]
async fn a_streamed_text_that_fails_the_final_check_is_withdrawn_and_a_passage_follows() {
    let whole = || events("]}") + END;
    let ends = |choice: Value| format!("data: {}\n\n", json!({"choices": [choice]}));
    for (name, second, end, outcome) in [
        ("an invented price", "The complete intake form costs £1.", whole(), "UNSUPPORTED"),
        ("an invented link", "See the intake form at https://evil.example.", whole(), "UNSUPPORTED"),
        ("an invented promise", "We guarantee the complete intake form.", whole(), "UNSUPPORTED"),
        ("a cut stream", WRITTEN, String::new(), "CUT"),
        ("too long", WRITTEN, ends(json!({"delta": {}, "finish_reason": "length"})), "CUT"),
        (
            "a refusal",
            WRITTEN,
            ends(json!({"delta": {"refusal": "No."}, "finish_reason": "stop"})),
            "REFUSED",
        ),
        ("a broken event", WRITTEN, "data: {\"error\"\n\n".to_owned(), "MALFORMED"),
        ("no end of the JSON", WRITTEN, END.to_owned(), "MALFORMED"),
    ] {
        let model = FakeModel::start(streams(&[WRITTEN, second], end)).await;
        let bench = model.bench().await;
        let chat = bench.chat(Caller::anonymous()).await;
        let begin = Instant::now();
        let parts: Vec<_> = chat.stream(ANSWERED).await.collect().await;
        assert!(begin.elapsed() < Duration::from_secs(10), "{name}");
        let withdrawn = parts.iter().position(|part| *part == Part::Withdrawn(true)).expect(name);
        let (before, after) = parts.split_at(withdrawn);
        assert!(text(before).starts_with(WRITTEN), "{name}: {}", text(before));
        for invented in ["£1", "evil", "guarantee"] {
            assert!(!text(&parts).contains(invented), "{name}: {}", text(&parts));
        }
        let turn = turn(&parts);
        assert!(turn.reply.starts_with("From our help article"), "{name}: {}", turn.reply);
        assert_eq!(text(after), turn.reply, "{name}");
        assert_eq!(bench.count(&format!("model_calls WHERE outcome = '{outcome}'")).await, 1, "{name}");
    }
}

#[tokio::test]
async fn if_the_first_statement_is_not_grounded_nothing_of_it_is_sent() {
    let model = FakeModel::start(streams(&["The complete intake form costs £1."], events("]}") + END)).await;
    let bench = model.bench().await;
    let parts: Vec<_> = bench.chat(Caller::anonymous()).await.stream(ANSWERED).await.collect().await;
    assert!(!parts.contains(&Part::Withdrawn(true)), "there is nothing to withdraw: {}", text(&parts));
    assert_eq!(text(&parts), turn(&parts).reply);
    assert_eq!(bench.count("model_calls WHERE outcome = 'UNSUPPORTED'").await, 1);
}

#[tokio::test]
async fn a_connection_that_breaks_in_mid_stream_ends_in_a_passage() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = format!("http://{}", listener.local_addr().expect("an address"));
    let bench = Bench::start_with_model(&address, "8").await;
    let chat = bench.chat(Caller::anonymous()).await;
    let breaks = async move {
        let (mut socket, _) = listener.accept().await.expect("a connection");
        let body = receive(&mut socket).await;
        let events = events(&written(&body, &[WRITTEN]));
        let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: 1000000\r\n\r\n";
        socket.write_all(format!("{head}{events}").as_bytes()).await.expect("written");
    };
    let read = async { chat.stream(ANSWERED).await.collect::<Vec<_>>().await };
    let ((), parts) = tokio::join!(breaks, read);
    assert!(turn(&parts).reply.starts_with("From our help article"), "{}", text(&parts));
    assert_eq!(bench.count("model_calls WHERE outcome = 'CUT'").await, 1);
}

#[tokio::test]
async fn a_server_that_does_not_stream_is_read_as_usual() {
    let model = FakeModel::start(writes(WRITTEN, QUOTE)).await;
    let bench = model.bench().await;
    let parts: Vec<_> = bench.chat(Caller::anonymous()).await.stream(ANSWERED).await.collect().await;
    let turn = turn(&parts);
    assert!(turn.reply.starts_with(WRITTEN) && text(&parts) == turn.reply, "{}", text(&parts));
}
