//! `StreamMessage`: sends `accepted` at once, then the pieces of the reply, and at the end the whole turn.

use std::time::{Duration, Instant};

use levqor_proto_support::v1::{StreamMessageRequest, StreamMessageResponse, stream_message_response::Part};
use levqor_runtime::testing::{Caller, reason, refused};
use tokio_stream::StreamExt;

use crate::{
    bench::{ANSWERED, Bench},
    model::{FakeModel, completion},
};

#[tokio::test]
async fn the_answer_arrives_in_pieces_after_a_first_message() {
    let bench = Bench::start().await;
    let chat = bench.chat(Caller::anonymous()).await;
    let parts: Vec<_> = chat.stream(ANSWERED).await.collect().await;
    assert!(parts.first() == Some(&Part::Accepted(true)), "`accepted` comes first");
    let pieces: String = parts
        .iter()
        .filter_map(|part| if let Part::Piece(piece) = part { Some(piece.as_str()) } else { None })
        .collect();
    let Some(Part::Answer(answer)) = parts.last() else { panic!("the answer is last") };
    assert_eq!(answer.turn.as_ref().map(|turn| turn.reply.as_str()), Some(pieces.as_str()));
    assert!(parts.len() > 4 && !parts.contains(&Part::Withdrawn(true)), "{} parts: {pieces}", parts.len());

    let message = chat.message(ANSWERED);
    let wrong = StreamMessageRequest {
        conversation_id: message.conversation_id,
        conversation_token: String::new(),
        text: message.text,
    };
    let status = refused::<tonic::Response<tonic::Streaming<StreamMessageResponse>>>(
        bench.conversations().stream_message(Caller::anonymous().request(wrong)).await,
    );
    assert_eq!(reason(&status), "CONVERSATION_NOT_FOUND");
}

#[tokio::test]
async fn a_first_message_arrives_within_a_second_while_the_model_writes() {
    let model = FakeModel::start(completion("{}").set_delay(Duration::from_secs(3))).await;
    let bench = model.bench_that_waits("2").await;
    let (mut asked, mut quickest) = (0, Duration::MAX);
    // A busy machine may hold up one stream. Streams that wait for the model all come late.
    while asked < 3 && quickest >= Duration::from_secs(1) {
        let chat = bench.chat(Caller::anonymous()).await;
        let begin = Instant::now();
        let mut parts = chat.stream(ANSWERED).await;
        assert!(parts.next().await == Some(Part::Accepted(true)), "`accepted` comes first");
        quickest = quickest.min(begin.elapsed());
        asked += 1;
        let last = parts.collect::<Vec<_>>().await.pop();
        assert!(matches!(last, Some(Part::Answer(_))), "the answer without the model follows");
        let waited = "model_calls WHERE outcome = 'TIMED_OUT'";
        assert_eq!(bench.count(waited).await, asked, "the model was waited for");
    }
    assert!(quickest < Duration::from_secs(1), "{quickest:?}");
}
