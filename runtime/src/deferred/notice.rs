//! Sends operators a notice of a dead deferred call, and ends the notice when the call is replayed. The chassis finds the RPC of the notice
//! by its name. A process without that RPC sends no notice: its services never send notices.

use chrono::{DateTime, Utc};
use prost::Message;
use prost_reflect::{DynamicMessage, Value};

use super::{Lane, defer_encoded, store::CallId};
use crate::{
    access,
    clock::timestamp,
    db::{DbError, Tx},
};

/// The service that receives notices.
const SERVICE: &str = "levqor.mail.v1.OperatorService/";
const NOTIFY: &str = "levqor.mail.v1.NotifyOperatorsRequest";
const END: &str = "levqor.mail.v1.EndOperatorNoticeRequest";
/// The numbers of `OperatorNoticeKind` and `OperatorNoticeSeverity`.
const DEAD_CALL: i32 = 15;
const WARNING: i32 = 2;

/// A call that has just become dead.
pub(super) struct Dead<'a> {
    pub(super) service: &'a str,
    pub(super) id: CallId,
    /// The fence of the last claim. It is part of the key, so a call that dies again after a replay gets another notice.
    pub(super) fence: i64,
    pub(super) rpc: &'a str,
    pub(super) attempts: i32,
    pub(super) failure: &'a str,
}

/// Defers the notice of a dead call, in the transaction in which the call becomes dead. A dead call that delivers a notice gets no notice,
/// because that notice would fail in the same way.
pub(super) async fn send_dead(tx: &mut Tx, dead: &Dead<'_>) -> Result<(), DbError> {
    let Dead { service, id, fence, rpc, attempts, failure } = dead;
    if rpc.starts_with(SERVICE) || rpc.ends_with("/DeliverOperatorNotice") {
        return Ok(());
    }
    let now = tx.now().await?;
    let text = format!(
        "A deferred call of {service} is dead: {rpc} failed for good ({failure}), at attempt {attempts}. Mend the cause, then \
         replay the call {id}: `levqor dead-letters` says how."
    );
    let fields = [
        ("kind", Value::EnumNumber(DEAD_CALL)),
        ("severity", Value::EnumNumber(WARNING)),
        ("about", Value::String(about(service, *id))),
        ("text", Value::String(text)),
    ];
    send(tx, NOTIFY, fields, format!("dead-call:{service}:{id}:{fence}"), now).await
}

/// Defers the end of that notice: the call was replayed.
pub(crate) async fn end(tx: &mut Tx, service: &str, id: CallId) -> Result<(), DbError> {
    let now = tx.now().await?;
    let fields = [("kind", Value::EnumNumber(DEAD_CALL)), ("about", Value::String(about(service, id)))];
    send(tx, END, fields, format!("dead-call-replayed:{service}:{id}:{}", now.timestamp_micros()), now).await
}

fn about(service: &str, id: CallId) -> String {
    format!("deferred-call:{service}:{id}")
}

async fn send<const N: usize>(
    tx: &mut Tx,
    request: &str,
    fields: [(&str, Value); N],
    key: String,
    now: DateTime<Utc>,
) -> Result<(), DbError> {
    let methods = access::methods();
    let Some(method) = methods.by_request(request) else { return Ok(()) };
    let mut message = DynamicMessage::new(method.descriptor.input());
    for (name, value) in fields {
        message.set_field_by_name(name, value);
    }
    let Some(time) = methods.pool().get_message_by_name("google.protobuf.Timestamp") else { return Ok(()) };
    let mut fact_time = DynamicMessage::new(time);
    if fact_time.transcode_from(&timestamp(now)).is_ok() {
        message.set_field_by_name("fact_time", Value::Message(fact_time));
    }
    defer_encoded(tx, request, message.encode_to_vec(), key, now, Lane::MAIN).await
}
