//! Posts a message to a conversation and streams the answer, as far as it can while the language model writes it.
//! It does not call `mutate` itself: `conversations::post`, which stores the message and the answer, does.

use std::sync::Arc;

use futures_util::{Stream, StreamExt, stream};
use levqor_proto_support::v1::{
    PostMessageResponse, StreamMessageRequest, StreamMessageResponse, stream_message_response::Part,
};
use levqor_runtime::context::Ctx;
use tokio::sync::mpsc;

use super::post_message::posted;
use crate::{Support, conversations, error::Error, store};

/// About how many characters a piece has.
const PIECE: usize = 80;
/// The maximum number of statements that wait to be sent, which is that of an answer.
const MOST_WAITING: usize = 8;

pub(super) async fn stream_message(
    support: Arc<Support>,
    ctx: Ctx,
    request: StreamMessageRequest,
) -> Result<impl Stream<Item = Result<StreamMessageResponse, Error>> + Send, Error> {
    let mut posted = posted(&ctx, &request.conversation_id, &request.conversation_token, &request.text)?;
    // If the caller may not see the conversation, the answer is an error and no stream.
    let mut conn = support.chassis.db.acquire().await?;
    let found = store::conversations::get(&mut conn, &posted.claim, posted.id).await?;
    found.ok_or(Error::ConversationNotFound)?;
    drop(conn);
    let (listener, heard) = mpsc::channel::<String>(MOST_WAITING);
    posted.listener = Some(listener);
    let answer = Box::pin(async move { conversations::post(&support, &ctx, &request, &posted).await });
    let rest = stream::unfold(Some((answer, heard, String::new())), |state| async move {
        let (mut answer, mut heard, mut sent) = state?;
        tokio::select! {
            biased;
            Some(text) = heard.recv() => {
                sent.push_str(&text);
                Some((vec![Ok(message(Part::Piece(text)))], Some((answer, heard, sent))))
            }
            answered = &mut answer => {
                let last = match answered {
                    Ok(answer) => parts(answer, &sent).into_iter().map(|part| Ok(message(part))).collect(),
                    Err(error) => vec![Err(error)],
                };
                Some((last, None))
            }
        }
    });
    let accepted = stream::iter([Ok(message(Part::Accepted(true)))]);
    Ok(accepted.chain(rest.flat_map(stream::iter)))
}

fn message(part: Part) -> StreamMessageResponse {
    StreamMessageResponse { part: Some(part) }
}

/// The pieces of the reply, and the whole answer after them. `sent` was sent while the model wrote.
fn parts(answer: PostMessageResponse, sent: &str) -> Vec<Part> {
    let reply = answer.turn.as_ref().map(|turn| turn.reply.as_str()).unwrap_or_default();
    let rest = reply.strip_prefix(sent);
    let mut parts = Vec::new();
    if rest.is_none() {
        parts.push(Part::Withdrawn(true));
    }
    parts.extend(pieces(rest.unwrap_or(reply)).into_iter().map(Part::Piece));
    parts.push(Part::Answer(answer));
    parts
}

/// Cuts a text between its words.
fn pieces(text: &str) -> Vec<String> {
    let mut pieces = vec![String::new()];
    for word in text.split_inclusive(char::is_whitespace) {
        match pieces.last_mut() {
            Some(piece) if piece.is_empty() || piece.len() + word.len() <= PIECE => piece.push_str(word),
            _ => pieces.push(word.to_owned()),
        }
    }
    pieces.retain(|piece| !piece.is_empty());
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pieces_together_are_the_text() {
        for text in ["", "word", &"several words\nin lines ".repeat(30), &"x".repeat(300)] {
            let pieces = pieces(text);
            assert_eq!(pieces.concat(), text);
            assert!(pieces.iter().all(|piece| piece.len() <= PIECE || !piece.trim().contains(' ')));
        }
        assert!(pieces(&"some words ".repeat(30)).len() > 3);
    }
}
