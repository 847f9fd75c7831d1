//! An answer that the server streams: server-sent events, each with a part of the text,
//! <https://platform.openai.com/docs/api-reference/chat-streaming>.

use http::header::CONTENT_TYPE;
use serde::Deserialize;

use super::{Choice, Hear, Message, Reply, Usage, content, failure};
use crate::domain::model_call::{ModelOutcome, Tokens};

/// The most bytes of a stream. Each word of the text has a few hundred bytes around it.
const MOST_BYTES: usize = 4 * 1024 * 1024;
/// The data of the last event.
const END: &str = "[DONE]";

/// Whether a response is a stream.
pub(super) fn is_one(response: &reqwest::Response) -> bool {
    let kind = response.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    kind.is_some_and(|kind| kind.starts_with("text/event-stream"))
}

/// Receives the whole answer. `hear` gets each part of its text at once.
pub(super) async fn receive(mut response: reqwest::Response, hear: Hear<'_>) -> Result<Reply, ModelOutcome> {
    let (mut answer, mut unread, mut bytes) = (Streamed::default(), Vec::new(), 0);
    while let Some(chunk) = response.chunk().await.map_err(|error| failure(&error))? {
        bytes += chunk.len();
        if bytes > MOST_BYTES {
            return Err(ModelOutcome::Malformed);
        }
        unread.extend_from_slice(&chunk);
        while let Some(end) = unread.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = unread.drain(..=end).collect();
            let line = std::str::from_utf8(&line).map_err(|_| ModelOutcome::Malformed)?;
            // Other lines are comments, and fields that no event of this API needs.
            let Some(data) = line.strip_prefix("data:").map(str::trim) else { continue };
            if data == END {
                return Ok(answer.whole());
            }
            if let Some(text) = answer.add(data)? {
                hear(&text);
            }
        }
    }
    // Not every server sends the last event.
    if answer.finish_reason.is_some() { Ok(answer.whole()) } else { Err(ModelOutcome::Cut) }
}

/// What came of an answer so far.
#[derive(Default)]
struct Streamed {
    message: Message,
    finish_reason: Option<String>,
    tokens: Tokens,
}

/// The data of an event.
#[derive(Deserialize)]
struct Event {
    choices: Vec<Part>,
    #[serde(default)]
    usage: Option<Usage>,
}

#[derive(Deserialize)]
struct Part {
    #[serde(default)]
    delta: Message,
    #[serde(default)]
    finish_reason: Option<String>,
}

impl Streamed {
    /// Adds an event. Returns its part of the text.
    fn add(&mut self, data: &str) -> Result<Option<String>, ModelOutcome> {
        let Event { choices, usage } = serde_json::from_str(data).map_err(|_| ModelOutcome::Malformed)?;
        if let Some(usage) = usage {
            self.tokens = usage.into();
        }
        // The event that has the number of tokens has no choice.
        let Some(Part { delta: Message { content, refusal }, finish_reason }) = choices.into_iter().next()
        else {
            return Ok(None);
        };
        if finish_reason.is_some() {
            self.finish_reason = finish_reason;
        }
        if let Some(refusal) = refusal {
            self.message.refusal.get_or_insert_default().push_str(&refusal);
        }
        if let Some(content) = &content {
            self.message.content.get_or_insert_default().push_str(content);
        }
        Ok(content)
    }

    fn whole(self) -> Reply {
        let Self { message, finish_reason, tokens } = self;
        Reply { written: content(Choice { message, finish_reason }), tokens }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_events_together_are_the_answer() {
        let mut answer = Streamed::default();
        for (data, text) in [
            (r#"{"choices": [{"index": 0, "delta": {"role": "assistant", "content": ""}}]}"#, Some("")),
            (
                r#"{"choices": [{"delta": {"content": "{\"a"}, "finish_reason": null}], "usage": null}"#,
                Some("{\"a"),
            ),
            (r#"{"choices": [{"delta": {"content": "b\"}"}}]}"#, Some("b\"}")),
            (r#"{"choices": [{"delta": {}, "finish_reason": "stop"}]}"#, None),
            (r#"{"choices": [], "usage": {"prompt_tokens": 9, "completion_tokens": 4}}"#, None),
        ] {
            assert_eq!(answer.add(data).expect("an event").as_deref(), text, "{data}");
        }
        assert!(answer.add("{\"error\": {}}").is_err());
        let Reply { written, tokens } = answer.whole();
        assert_eq!((written, tokens), (Ok("{\"ab\"}".to_owned()), Tokens { read: 9, written: 4 }));
    }
}
